"""Sessions as documents to take away (`docs/export.md`): records in, bytes out; no player and no clock.

Whatever leaves is taken out of an `Excerpt`, which is the one place that decides what of a session a document may hold.
"""
