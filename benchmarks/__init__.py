"""Benchmarks of the server: `python -m benchmarks` (see README.md)."""
