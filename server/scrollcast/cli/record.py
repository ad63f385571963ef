"""`scrollcast record`: a session that a server plays, written down as a native archive of one's own."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from scrollcast.archive.encoding import TimedRecord
from scrollcast.archive.formats.native import session_of
from scrollcast.archive.line_file import LineFile
from scrollcast.archive.native_records import SESSION_FIELDS
from scrollcast.cli.choosing import say
from scrollcast.cli.naming import add_token_file, is_address, token_for
from scrollcast.cli.replaying import tell
from scrollcast.client import Hello, Item, ReplayEvent
from scrollcast.client.sync import Replay, connect
from scrollcast.errors import ReplayError, SettingsError
from scrollcast.export.jsonl import session_lines
from scrollcast.model import Record, Session

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "record",
        help="write a session that a server plays into an archive of your own",
        description="Writes down what a server plays, so that a replay of it is equal to one of the original.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", metavar="URL", help="the address of the session's page, or of its WebSocket")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR",
        help="the archive to write it into; made where there is none",
    )  # fmt: skip
    parser.add_argument(
        "--follow", action="store_true", help="go on with what is written to the session, until stopped with Ctrl+C"
    )
    add_token_file(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write it down, and give the exit status."""
    if not is_address(arguments.address):
        raise SettingsError(f"{arguments.address[:200]} is no address; scrollcast keep copies sessions of this machine")
    try:
        token = token_for(arguments.address, arguments.token_file)
        replay = connect(arguments.address, token=token, meta=True, follow=arguments.follow)
    except ValueError as problem:
        raise SettingsError(str(problem)) from problem
    recording = _Recording()
    try:
        with replay:
            _write(replay, recording, arguments.output)
    except ReplayError as problem:
        say(f"{problem}; {recording.told}")
        return 1
    say(recording.told)
    return 0


def _write(replay: Replay, recording: _Recording, archive: Path) -> None:
    """Write the session as a file of lines: the one layout that keeps meta events where they stood among messages."""
    assert replay.hello is not None  # entered
    session = _session_of(replay.hello)
    target = archive / f"{session.scroll_id}.jsonl"
    if target.exists():
        raise SettingsError(f"there is a {target} already")
    try:
        archive.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SettingsError(f"{archive} cannot be made: {problem.strerror}") from problem
    with closing(LineFile(target)) as file, recording.stopped_by_ctrl_c(replay):
        recording.target = target
        for line in session_lines(session, recording.records(replay.items())):
            file.append(line)
        file.sync()


def _session_of(hello: Hello) -> Session:
    told = {**hello.session.get("metadata", {}), **{name: hello.session.get(name) for name in SESSION_FIELDS}}
    return session_of(UUID(hello.session["scroll_id"]), told, 0, None, None)


class _Recording:
    """What came so far, and where it goes."""

    def __init__(self) -> None:
        self.target: Path | None = None
        self._count = 0
        self._is_stopped = False

    @contextmanager
    def stopped_by_ctrl_c(self, replay: Replay) -> Iterator[None]:
        """Let Ctrl+C end the replay, and nothing else: what came is written whole."""

        def stop(_signal: int, _frame: object) -> None:
            self._is_stopped = True
            # Not here: this runs in the middle of whatever the replay is about, which may hold a lock of the socket.
            threading.Thread(target=replay.close, daemon=True).start()

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @property
    def told(self) -> str:
        """A sentence for the person who waits."""
        if self.target is None:
            return "nothing was written"
        return f"{'stopped; ' if self._is_stopped else ''}wrote {self._count:,} events to {self.target}"

    def records(self, items: Iterator[Item]) -> Iterator[TimedRecord]:
        """The events as records."""
        for item in items:
            match item:
                case ReplayEvent():
                    self._count += 1
                    yield _record_of(item)
                case _:
                    tell(item)


def _record_of(event: ReplayEvent) -> TimedRecord:
    message, meta_event = event.message, event.meta_event
    if message is None:
        assert meta_event is not None
        created_at = meta_event.created_at
        record = Record(meta_event.id, created_at, kind=meta_event.kind, payload=meta_event.payload)
    else:
        created_at = message.created_at
        metadata = {name: value for name, value in (message.metadata or {}).items() if name != "archived_role"}
        record = Record(message.id, created_at, message.archived_role, message.content, metadata or None)
    return TimedRecord(event.t_ms, created_at, record)
