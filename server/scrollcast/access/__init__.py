"""Who may see what: the owner's token, links that share a session, and what either allows."""
