"""A session as a replay, of this machine or of a server: what the verbs share that read one."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.cli.choosing import say
from scrollcast.cli.naming import is_address
from scrollcast.client import End, Item, Notice
from scrollcast.errors import SettingsError

if TYPE_CHECKING:
    from scrollcast.terminal.source import Source

__all__ = ["Opened", "add_following", "open_source", "put_out", "run_until_stopped", "tell"]

Opened: TypeAlias = AbstractContextManager[tuple[AnyArchive, UUID]]
"""A session of this machine, and the archive that shows it."""


class _Stdout:
    """Whether something is being put out right now, and whether it is known that nobody reads it any more."""

    is_written = False
    is_unread = False


_stdout = _Stdout()


@contextmanager
def open_source(named: str, opened: Opened, token: str | None = None) -> Iterator[Source]:
    """Where the session that was named comes from. `opened` is entered where that is this machine; `token` opens the
    server where it is one.

    Raises:
        SettingsError: there is no such session.
    """
    if is_address(named):
        from scrollcast.terminal.source import RemoteSource

        try:
            source = RemoteSource(named, token)
        except ValueError as problem:
            raise SettingsError(str(problem)) from None
        yield source
        return
    from scrollcast.terminal.local import LocalSource

    with opened as (archive, scroll_id):
        yield LocalSource(archive, scroll_id, named)


def add_following(parser: argparse.ArgumentParser) -> None:
    """Add what a replay can bring beside what was said so far."""
    parser.add_argument("--follow", action="store_true", help="at the end, go on with what is written from then on")
    parser.add_argument("--meta", action="store_true", help="with the events beside the messages")


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end or until Ctrl+C, which is no failure.

    Raises:
        BrokenPipeError: nobody reads the output any more, which a replay that waits would not notice by itself.

    What asyncio does about Ctrl+C by itself does not wake a loop that waits, and nothing where the shell that started
    us had the signal ignored. It also only cancels the task, which does not come back from a write to somebody who has
    stopped to read: that is broken off.
    """

    async def stoppable() -> None:
        task = asyncio.current_task()
        assert task is not None
        with suppress(NotImplementedError):  # not on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
            signal.signal(signal.SIGINT, _let_go_of_output)  # as well: the loop is woken by the signal itself
            _watch_reader(asyncio.get_running_loop(), task)
        await work

    with suppress(asyncio.CancelledError):
        asyncio.run(stoppable())
    if _stdout.is_unread:
        raise BrokenPipeError


def _watch_reader(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Cancel the task as soon as stdout is a pipe that nobody reads any more."""
    try:
        out = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(out).st_mode)
    except (OSError, ValueError):  # it is no file
        return

    def stop() -> None:
        loop.remove_reader(out)
        _stdout.is_unread = True
        task.cancel()

    if is_pipe:
        loop.add_reader(out, stop)  # its end for writing is never ready to be read, unless by this error


def tell(item: Item) -> None:
    """Say what a replay brings that is worth knowing and is no event."""
    match item:
        case Notice(level="warning") | Notice(code="redacted"):
            say(item.message)
        case End(reason="truncated"):
            say("the session stops in a half-written record")
        case _:
            pass


def put_out(write: Callable[..., object], *data: object) -> None:
    """Write to stdout, or flush it, so that Ctrl+C ends that too (`run_until_stopped`)."""
    _stdout.is_written = True
    try:
        write(*data)
    finally:
        _stdout.is_written = False


def _let_go_of_output(_signal: int, _frame: object) -> None:
    """Drop what nobody takes, so that Python does not wait for it at its end, and raise `KeyboardInterrupt`."""
    if _stdout.is_written:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise KeyboardInterrupt
