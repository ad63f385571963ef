"""All benchmarks, in one table: `python -m benchmarks [--short] [--json FILE]`."""

from __future__ import annotations

import sys

from benchmarks import fast_replay, first_event, realtime_lateness
from benchmarks.report import main

sys.exit(main([fast_replay.measure, realtime_lateness.measure, first_event.measure], __doc__))
