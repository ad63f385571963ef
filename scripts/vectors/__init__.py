"""The conformance vectors of `docs/contract/vectors/`: what a server has to send, worked out by hand from the contract.

`script.py` spares whoever writes one the envelopes; the other modules hold the vectors, with every time, number and
status as `docs/protocol.md` gives it. Nothing here asks the server.
"""
