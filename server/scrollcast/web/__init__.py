"""The server: routes, the socket's handshake, and what keeps other people's pages out."""
