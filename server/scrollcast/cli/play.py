"""`scrollcast play`: a session on this terminal, of this machine or of a server."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from scrollcast.cli.choosing import say
from scrollcast.cli.naming import add_session, add_token_file, open_named, parse_moment, token_for
from scrollcast.cli.replaying import add_following, open_source, put_out, run_until_stopped
from scrollcast.cli.terminal import terminal_width
from scrollcast.errors import ReplayError, SettingsError
from scrollcast.playback.commands import check_idle, check_speed

if TYPE_CHECKING:
    from scrollcast.client.asking import Mode
    from scrollcast.terminal.source import Source
    from scrollcast.terminal.watch import Wish

__all__ = ["add_parser", "run"]

EXAMPLES: Final = """\
examples:
  scrollcast play 5ca1ab1e                  the beginning of an id is enough
  scrollcast play 5ca1ab1e --speed 8 --idle 2 --from 1:30
  scrollcast play http://127.0.0.1:8420/sessions/5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11
  scrollcast play 5ca1ab1e | less           plain text, all of it at once
"""


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "play",
        help="play a session on this terminal",
        description="Plays a session on this terminal, of this machine or of a server; ? shows the keys. Where the"
        " output goes elsewhere it is plain text, and paced only when asked to be.",
        epilog=f"{EXAMPLES}\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_session(parser, or_address=True)
    parser.add_argument("--speed", type=float, metavar="N", help="so many times as fast as it happened, 0.1 to 100")
    parser.add_argument(
        "--idle", metavar="SECONDS", help="the longest silence to play; off for as long as they were (default: 5)"
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--mode", choices=("realtime", "reading", "fast"),
        help="paced by the recorded times, by how long it takes to read, or not at all",
    )  # fmt: skip
    pace.add_argument(
        "--reading", dest="mode", action="store_const", const="reading", help="the same as --mode reading"
    )
    pace.add_argument("--max", dest="mode", action="store_const", const="fast", help="the same as --mode fast")
    parser.add_argument("--from", dest="start", metavar="TIME", help="begin at that recorded time: 90, 1:30, 1:02:03")
    add_following(parser)
    add_token_file(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play it, and give the exit status."""
    is_terminal = sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    wish = _wish(arguments, is_terminal)
    opened = open_named(arguments.session, watch=arguments.follow or is_terminal)
    token = token_for(arguments.session, arguments.token_file)
    with open_source(arguments.session, opened, token) as source:
        if is_terminal:
            from scrollcast.terminal.app import play

            failure = play(source, wish)
        else:
            failure = _print(source, wish)
    if failure:
        say(failure)
    return 1 if failure else 0


def _wish(arguments: argparse.Namespace, is_terminal: bool) -> Wish:
    from scrollcast.terminal.watch import DEFAULT_IDLE, Wish

    is_asked = arguments.mode is not None or arguments.speed is not None or arguments.idle is not None
    mode: Mode = arguments.mode or ("realtime" if is_terminal or is_asked else "fast")
    speed = 1.0 if arguments.speed is None else arguments.speed
    idle = DEFAULT_IDLE if arguments.idle is None and mode != "reading" else _idle(arguments.idle)
    _check("--speed", check_speed, speed)
    start_ms = parse_moment(arguments.start, "--from") or 0
    follow = True if arguments.follow else None if is_terminal else False
    return Wish(mode=mode, speed=speed, idle=idle, start_ms=start_ms, follow=follow, meta=arguments.meta)


def _idle(text: str | None) -> float | None:
    if text in (None, "off"):
        return None
    try:
        idle = float(text or "")
    except ValueError:
        raise SettingsError("--idle must be a number of seconds, or off") from None
    _check("--idle", check_idle, idle)
    return idle


def _check(flag: str, check: Any, value: float) -> None:
    try:
        check(value)
    except ValueError as problem:
        raise SettingsError(f"{flag} {problem}") from None


def _print(source: Source, wish: Wish) -> str:
    """Print it; gives why it could not be played to its end, if so."""
    from scrollcast.terminal.plain import print_session

    def write(text: str) -> None:
        put_out(sys.stdout.write, text)
        if wish.mode != "fast" or wish.follow:
            put_out(sys.stdout.flush)  # somebody may be watching

    try:
        run_until_stopped(print_session(source, wish, write, terminal_width()))
    except ReplayError as problem:
        return str(problem)
    return ""
