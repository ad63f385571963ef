"""One live connection replaying one session: the player's outputs made into messages, and messages into commands."""
