"""`scrollcast serve --workers N`: several processes behind one listener, kept alive by uvicorn's process manager."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import tempfile
import threading
import time
from functools import partial
from multiprocessing import parent_process, resource_tracker
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from scrollcast.cli.running import (
    QUEUE,
    SWITCH_SECONDS,
    allow_many_connections,
    make_config,
    open_in_browser,
)
from scrollcast.logs import Logging, log_to_stderr
from scrollcast.settings import Settings
from scrollcast.web.app import create_app

__all__ = ["Workers", "serve_by_workers"]

ACCEPTED_AT_ONCE: Final = 1
"""A worker takes one connection from the queue before it looks at anything else: the rest go to whoever is idle."""

START_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.2
"""How often it is looked, while they start, whether they are to stop."""

log = logging.getLogger(__name__)


def serve_by_workers(settings: Settings, listener: socket.socket, address: str, count: int, logs: Logging) -> int:
    """Serve until stopped; the exit status, 1 where the workers did not start."""
    with tempfile.TemporaryDirectory(prefix="scrollcast-workers-") as siblings:
        config = make_config(partial(_app, settings, logs, Path(siblings)), settings, factory=True)
        config.workers, config.backlog = count, ACCEPTED_AT_ONCE
        workers = Workers(config, listener, address, open_browser=settings.open_browser)
        try:
            workers.run()
        except BaseException:  # as when nobody reads the address
            workers.terminate_all()
            workers.join_all()
            raise
    return 1 if workers.failed else 0


def _app(settings: Settings, logs: Logging, siblings: Path) -> Starlette:
    """The application of one worker, made in it."""
    log_to_stderr(logs, settings.token)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what `Workers.run` held back
    allow_many_connections()
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings, siblings)
    gc.collect()
    gc.freeze()
    return app


def _stop_with_parent() -> None:
    """Stop when the process manager is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        signal.raise_signal(signal.SIGTERM)


class Workers(Multiprocess):
    """Says where they are as soon as all of them answer."""

    def __init__(self, config: object, listener: socket.socket, address: str, *, open_browser: bool) -> None:
        super().__init__(config, [listener])  # type: ignore[arg-type]
        self._address = address
        self._open_browser = open_browser
        self.failed = False

    def run(self) -> None:
        """Serve until stopped. A worker takes up Ctrl+C when it can stop in good order: one that still loads would end
        in a traceback, and as one that failed."""
        if sys.platform != "win32":
            resource_tracker.ensure_running()  # which lets signals through, so not when it starts with the first worker
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        super().run()

    def handle_signals(self) -> None:
        """Do what was asked for by signals so far."""
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        super().handle_signals()

    def init_processes(self) -> None:
        """Start all, and wait for them."""
        super().init_processes()
        deadline = time.monotonic() + START_SECONDS
        for process in self.processes:
            while not process.wait_until_ready(LOOK_SECONDS, self.should_exit):
                self.handle_signals()
                if not process.process.is_alive() or time.monotonic() >= deadline:
                    self.failed = True
                    self.should_exit.set()
                if self.should_exit.is_set():
                    return
        self._widen_queue()
        print(self._address, flush=True)
        if self._open_browser:
            open_in_browser(self._address)

    def keep_subprocess_alive(self) -> None:
        """Replace those that died, and say so."""
        before = list(self.processes)
        super().keep_subprocess_alive()
        for process, follower in zip(before, self.processes, strict=True):
            if follower is not process:
                facts = {"pid": process.pid, "exit_status": process.exitcode, "pid_of_new": follower.pid}
                log.warning("a worker ended and was replaced", extra=facts)
        self._widen_queue()

    def _widen_queue(self) -> None:
        # A worker that starts listens with `ACCEPTED_AT_ONCE`, which asyncio takes for both numbers.
        for listener in self.sockets:
            listener.listen(QUEUE)
