"""`scrollcast cat`: the events of a session as lines of JSON, of this machine or of a server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from scrollcast.archive.native_records import encode_line
from scrollcast.cli.choosing import add_redact, say
from scrollcast.cli.naming import (
    add_range,
    add_session,
    add_token_file,
    is_address,
    open_shown,
    parse_range,
    token_for,
)
from scrollcast.cli.replaying import add_following, open_source, put_out, run_until_stopped, tell
from scrollcast.client import CaughtUp, ReplayEvent
from scrollcast.errors import ReplayError, SettingsError

if TYPE_CHECKING:
    from scrollcast.client.asking import Parameters
    from scrollcast.terminal.source import Source

__all__ = ["add_parser", "run"]

EXAMPLES: Final = """\
examples:
  scrollcast cat 5ca1ab1e | jq -r '.event.message.content[]? | select(.type == "text").text'
  scrollcast cat 5ca1ab1e --meta --from 1:00 --to 2:00
  scrollcast cat http://127.0.0.1:8420/sessions/5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11 --follow
"""


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "cat",
        help="print the events of a session as JSON lines",
        description="Prints the events of a session, of this machine or of a server, as the protocol has them: one"
        ' object {"seq", "t_ms", "event"} a line.',
        epilog=f"{EXAMPLES}\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_session(parser, or_address=True)
    add_range(parser)
    add_following(parser)
    add_redact(parser)
    add_token_file(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them, and give the exit status."""
    start_ms, end_ms = parse_range(arguments)
    if end_ms is not None and end_ms < (start_ms or 0):
        raise SettingsError("--to: the range ends before it begins")
    if is_address(arguments.session) and _says_what_to_redact(arguments):
        raise SettingsError("what is taken out of a session of a server is for the server to say, not for --redact")
    parameters: Parameters = {
        "mode": "fast", "start_ms": start_ms or 0, "meta": arguments.meta, "follow": arguments.follow,
    }  # fmt: skip
    token = token_for(arguments.session, arguments.token_file)
    with open_source(arguments.session, open_shown(arguments, watch=arguments.follow), token) as source:
        try:
            run_until_stopped(_print(source, parameters, end_ms))
        except ReplayError as problem:
            sys.stdout.flush()
            say(str(problem))
            return 1
    return 0


def _says_what_to_redact(arguments: argparse.Namespace) -> bool:
    return arguments.redact is not None or bool(arguments.redact_pattern) or arguments.redact_names


async def _print(source: Source, parameters: Parameters, end_ms: int | None) -> None:
    """Print them up to the end, or up to a recorded time.

    Raises:
        ReplayError: as the client does.
    """
    out = sys.stdout.buffer
    async with source.connect(**parameters) as replay:
        async for item in replay.items():
            match item:
                case ReplayEvent(seq, t_ms, _, is_live, event):
                    if end_ms is not None and t_ms > end_ms:
                        break
                    put_out(out.write, encode_line({"seq": seq, "t_ms": t_ms, "event": event}))
                    if is_live:
                        put_out(out.flush)  # somebody waits for it
                case CaughtUp():
                    put_out(out.flush)
                case _:
                    tell(item)
    put_out(out.flush)
