"""All benchmarks, in one table: `python -m benchmarks [--short] [--json FILE]`."""

from __future__ import annotations

import sys

from benchmarks import (
    beside_fast,
    catalogue_speed,
    fast_replay,
    first_event,
    first_paint,
    idle,
    live_latency,
    many_viewers,
    page_scale,
    peers,
    realtime_lateness,
    reference_client,
    search_latency,
)
from benchmarks.report import main

ALL = (
    fast_replay,
    realtime_lateness,
    many_viewers,
    beside_fast,
    first_event,
    peers,
    reference_client,
    live_latency,
    page_scale,
    first_paint,
    catalogue_speed,
    search_latency,
    idle,
)

sys.exit(main([benchmark.measure for benchmark in ALL], __doc__))
