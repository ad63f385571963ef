"""The terminal player: a client of the protocol that draws what comes. Nothing here is imported before it plays."""
