"""Tells which files changed: one watcher for everything under some folders."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from watchfiles import Change, watch

__all__ = ["Watcher"]

STEP_MS: Final = 15
"""How long a file has to be left alone before a change of it is told. It is also how often the system's notifications
are looked at, so that a shorter step would cost more while nothing happens."""

DEBOUNCE_MS: Final = 25
"""When files keep changing, changes are told at least this often."""

TICK_MS: Final = 1_000
"""How often `on_tick` is called while nothing changes."""

POLL_MS: Final = 1_000
"""How often everything is looked at where the system gives no notifications."""

RESTART_SECONDS: Final = 1.0
"""So long after it failed watching begins anew."""

log = logging.getLogger(__name__)


class Watcher:
    """Calls `on_change` with the paths that changed, and `on_tick` about once a second, in a thread of its own.

    A folder is watched with all that is below it, a file through the folder that it lies in, so that one that is
    replaced is still seen.
    """

    def __init__(
        self, paths: Sequence[Path], on_change: Callable[[Collection[Path]], None], on_tick: Callable[[], None]
    ) -> None:
        folders, files = _places(paths)
        self._covered = {*folders, *files}
        self._on_change = on_change
        self._on_tick = on_tick
        self._stopping = threading.Event()
        self._began: dict[int, float] = {}  # since when each thread is busy, while it is
        self._took = 0.0
        self._threads = [
            threading.Thread(target=self._run, args=(places, recursive), name="scrollcast-watch", daemon=True)
            for places, recursive in ((folders, True), (files, False))
            if places
        ]

    def covers(self, paths: Sequence[Path]) -> bool:
        """Whether all of these paths that are there now are watched."""
        folders, files = _places(paths)
        return self._covered.issuperset((*folders, *files))

    @property
    def lag(self) -> float:
        """For how many seconds the changes that are dealt with now wait, or those that were dealt with last did."""
        now = time.monotonic()
        return max((now - began for began in self._began.copy().values()), default=self._took)

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop, and wait until the last call has returned."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def _run(self, places: Sequence[Path], recursive: bool) -> None:
        for changes in self._changes(places, recursive):
            self._began[threading.get_ident()] = time.monotonic()
            try:
                if changes:
                    self._on_change({Path(path) for _, path in changes})
                self._on_tick()
            except Exception as problem:  # one bad file must not end the watching
                log.error("a change could not be followed: %r", problem)
                log.debug("in full", exc_info=problem)
            finally:
                self._took = time.monotonic() - self._began.pop(threading.get_ident())

    def _changes(self, places: Sequence[Path], recursive: bool) -> Iterator[set[tuple[Change, str]]]:
        polling = False
        while not self._stopping.is_set():
            try:
                yield from self._watch(places, recursive, polling=polling)
                return
            except OSError as problem:  # no notifications here, or no more of them to be had
                log.warning(
                    "files are looked at every %d s, because the system cannot tell of changes: %s",
                    POLL_MS / 1000,
                    problem,
                )
                polling = True
            except RuntimeError as problem:  # the system lost its place, say where a folder went away
                log.warning("the watching of files begins anew: %s", problem)
            yield set()  # what changed meanwhile is nobody's to tell
            self._stopping.wait(RESTART_SECONDS)

    def _watch(self, places: Sequence[Path], recursive: bool, *, polling: bool) -> Iterator[set[tuple[Change, str]]]:
        return watch(
            *places,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            stop_event=self._stopping,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            force_polling=polling or None,
            poll_delay_ms=POLL_MS,
            recursive=recursive,
            ignore_permission_denied=True,
            raise_interrupt=False,
        )


def _places(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The folders to watch with all below them, and those to watch for a file in them."""
    return [path for path in paths if path.is_dir()], [path.parent for path in paths if path.is_file()]
