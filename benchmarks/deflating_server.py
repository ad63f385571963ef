"""The server with permessage-deflate agreed on each connection, as uvicorn has it unless told otherwise.

    python -m benchmarks.deflating_server ARCHIVE CACHE

What `compression` compares with; `scrollcast serve` offers no such thing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from scrollcast.cli.running import QUEUE, make_config
from scrollcast.cli.serve import bind
from scrollcast.settings import Settings
from scrollcast.web.app import create_app

if __name__ == "__main__":
    archive, cache = map(Path, sys.argv[1:])
    config = make_config(create_app(Settings(paths=(archive,), cache=cache)))
    config.ws_per_message_deflate = True
    listener = bind("127.0.0.1", 0)
    listener.listen(QUEUE)
    print(f"127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])
