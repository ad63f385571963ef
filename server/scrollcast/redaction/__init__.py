"""Taking secrets out of what leaves this machine (`docs/redaction.md`): bytes in, bytes out; no I/O but its own rules.

`Redaction` says what is to be found, a `Redactor` takes it out of one session. Who may see what, and the view of a
session that a viewer gets, are not here: `archive/redacted_archive.py` is the one place where a session becomes
redacted.
"""

from scrollcast.redaction.policy import Redaction
from scrollcast.redaction.redactor import Redactor

__all__ = ["Redaction", "Redactor"]
