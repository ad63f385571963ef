"""The playback engine: commands and clock times in, facts out. It imports no clock and does no I/O."""
