"""Conformance vectors: what a server has to send, and when; and a runner that holds any server to them.

`docs/conformance.md` tells how another implementation uses them. `python -m scrollcast.conformance --help` is the
runner. The vectors themselves are in `docs/contract/vectors/`, and in the wheel.
"""
