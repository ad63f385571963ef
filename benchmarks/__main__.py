"""All benchmarks of streaming in one table: `python -m benchmarks [--all] [--short] [--json FILE]`."""

from __future__ import annotations

import sys

from benchmarks import (
    catalogue_speed,
    compression,
    fast_replay,
    first_event,
    first_paint,
    growth,
    idle,
    live_latency,
    many_viewers,
    page_scale,
    peers,
    realtime_lateness,
    redaction,
    reference_client,
    search_latency,
    worker_processes,
)
from benchmarks.report import main

STREAMING = (
    fast_replay,
    many_viewers,
    first_event,
    peers,
    reference_client,
)
OTHERS = (
    worker_processes,
    compression,
    growth,
    realtime_lateness,
    live_latency,
    page_scale,
    first_paint,
    catalogue_speed,
    search_latency,
    idle,
    redaction,
)

sys.exit(
    main([benchmark.measure for benchmark in STREAMING], __doc__, more=[benchmark.measure for benchmark in OTHERS])
)
