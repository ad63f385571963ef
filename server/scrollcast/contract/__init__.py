"""The protocol for machines: JSON Schemas of every message and answer, and the OpenAPI and AsyncAPI documents of them.

What `docs/protocol.md` says in words; tests hold the two, and what the server really sends, together.
"""
