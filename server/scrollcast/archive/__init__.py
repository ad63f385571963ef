"""Where sessions lie and how they are read; nothing here knows of playback or of the wire's control messages."""
