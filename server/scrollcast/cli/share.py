"""`scrollcast share`: links that show one session, or a stretch of it, for a while."""

from __future__ import annotations

import argparse
import re
import time
from datetime import datetime
from typing import Any, Final

from scrollcast.access.shares import DEFAULT_SECONDS, Share, Shares, share_url
from scrollcast.cli.choosing import say
from scrollcast.cli.naming import add_range, open_named, parse_range
from scrollcast.errors import BadRequest, SettingsError
from scrollcast.model import Session, Span
from scrollcast.settings import shares_file

__all__ = ["add_parser", "run"]

_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "share",
        help="make a link that shows one session, for a while; list links, or withdraw one",
        description="Makes a link that shows one session, or a stretch of it, and nothing else, to whoever has it. It "
        "opens a server that runs with --auth; one that asks for nothing shows everybody everything.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "session",
        nargs="?",
        metavar="SESSION",
        help="its id, the beginning of it, or the id that its agent knows it by",
    )
    parser.add_argument(
        "--expires", type=_duration, default=DEFAULT_SECONDS, metavar="TIME",
        help="how long it can be opened: 30m, 12h, 7d, 4w (default: 7d)",
    )  # fmt: skip
    add_range(parser)
    parser.add_argument(
        "--redact", action=argparse.BooleanOptionalAction, default=True,
        help="take secrets out of what it shows (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--url",
        metavar="URL",
        help="where the server is to be had (default: where the last one with --auth said it is)",
    )
    parser.add_argument("--list", action="store_true", help="show the links that there are")
    parser.add_argument("--revoke", metavar="ID", help="withdraw a link; whoever watches by it is cut off")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make, list or withdraw, and give the exit status."""
    if sum((arguments.session is not None, arguments.list, arguments.revoke is not None)) != 1:
        raise SettingsError("name one session, or give --list or --revoke ID; see scrollcast share --help")
    shares = Shares(shares_file())
    if arguments.list:
        return _list(shares)
    if arguments.revoke is not None:
        return _revoke(shares, arguments.revoke)
    return _make(shares, arguments)


def _make(shares: Shares, arguments: argparse.Namespace) -> int:
    root = _root(arguments.url, shares)
    span = Span(*parse_range(arguments))
    with open_named(arguments.session) as (archive, scroll_id):
        session = archive.session(scroll_id)
    try:
        share, secret = shares.make(session.scroll_id, span, redact=arguments.redact, seconds=arguments.expires)
    except BadRequest as problem:
        raise SettingsError(f"--{problem.parameter}: {problem.reason}") from problem
    say(f"{_title(session)}{_range(share)}, until {_day(share.expires_at)}")
    say(f"to withdraw it: scrollcast share --revoke {share.id}")
    print(share_url(root, share, secret))
    return 0


def _list(shares: Shares) -> int:
    found, now = shares.all(), time.time()
    for share in found:
        ended = "withdrawn" if share.revoked_at is not None else "expired" if not share.holds(now) else "open"
        kind = "redacted" if share.redact else "as it is"
        print(f"{share.id}  {share.scroll_id}  {ended:9}  until {_day(share.expires_at)}  {kind}{_range(share)}")
    if not found:
        say("there are no links")
    return 0


def _revoke(shares: Shares, share_id: str) -> int:
    if not shares.revoke(share_id):
        raise SettingsError(
            f"there is no link {share_id[:100]} that is open; scrollcast share --list shows which there are"
        )
    say(f"{share_id} is withdrawn")
    return 0


def _root(given: str | None, shares: Shares) -> str:
    root = given or shares.address()
    if root is None:
        raise SettingsError("no server has run with --auth yet; start one, or say where it is to be had with --url")
    if not re.fullmatch(r"https?://[^\s?#]+", root):
        raise SettingsError(f"--url {root[:200]} is not of the form https://name or https://name/prefix")
    return root.rstrip("/") + "/"


def _title(session: Session) -> str:
    return " ".join(session.title.split())[:80] or str(session.scroll_id)


def _range(share: Share) -> str:
    def clock(t_ms: int) -> str:
        return f"{t_ms // 60_000}:{t_ms // 1000 % 60:02}"

    span = share.span
    start = "" if span.from_ms is None else f" from {clock(span.from_ms)}"
    return start + ("" if span.to_ms is None else f" to {clock(span.to_ms)}")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _duration(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,5})([mhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:50]} is no length of time such as 30m, 12h, 7d or 4w")
    return int(found[1]) * _UNITS[found[2]]
