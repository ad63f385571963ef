"""`scrollcast export`: a session as one file, to keep, to read elsewhere or to show to somebody."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from scrollcast.cli.choosing import add_redact, say
from scrollcast.cli.naming import add_range, add_session, open_shown, parse_range
from scrollcast.cli.terminal import format_bytes
from scrollcast.errors import BadRequest, SettingsError
from scrollcast.export.documents import FORMATS, format_of_suffix, make_document
from scrollcast.export.excerpt import LEAVABLE, Selection, open_excerpt, parse_leave_out
from scrollcast.settings import static_folder

__all__ = ["add_parser", "run"]

STANDARD_OUTPUT: Final = "-"


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    kinds = "\n".join(f"  {name:10} {words}" for name, words in LEAVABLE.items())
    parser = verbs.add_parser(
        "export",
        help="write a session as one file: a page that plays by itself, Markdown, JSON lines or an asciicast",
        description="Writes one session as one file. A page (.html) plays without a server and without a network.",
        epilog=f"what can be left out:\n{kinds}\n\n{epilog}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_session(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the file to write; - for standard output"
    )
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="what to write (default: as the ending of FILE says, else html)"
    )
    add_range(parser)
    parser.add_argument("--title", metavar="TEXT", help="a title in place of the session's own")
    parser.add_argument(
        "--leave-out", default="", metavar="KINDS", help="a list with commas of what to leave out, see below"
    )
    add_redact(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file, and give the exit status."""
    format_name = arguments.format or format_of_suffix(arguments.output) or "html"
    from_ms, to_ms = parse_range(arguments)
    try:
        selection = Selection(
            from_ms=from_ms,
            to_ms=to_ms,
            title=arguments.title,
            leave_out=parse_leave_out(arguments.leave_out),
        )
        with open_shown(arguments) as (archive, scroll_id):
            excerpt = asyncio.run(open_excerpt(archive, scroll_id, selection))
            size = _write(arguments.output, make_document(format_name, excerpt, static_folder()))
    except BadRequest as problem:
        flag = {"to_ms": "--to"}.get(problem.parameter, f"--{problem.parameter.replace('_', '-')}")
        raise SettingsError(f"{flag}: {problem.reason}") from problem
    if arguments.output != STANDARD_OUTPUT:
        say(f"wrote {format_bytes(size)} to {arguments.output}{_told(excerpt.redacted)}")
    return 0


def _told(redacted: int) -> str:
    if not redacted:
        return ""
    secrets = "1 secret in the session is" if redacted == 1 else f"{redacted} secrets in the session are"
    return f"; {secrets} replaced by placeholders (--no-redact keeps them)"


def _write(name: str, document: Iterable[bytes]) -> int:
    """Write a document, in place of what was there only once it is whole; gives its size.

    Raises:
        SettingsError: the file cannot be written.
    """
    if name == STANDARD_OUTPUT:
        return sum(sys.stdout.buffer.write(piece) for piece in document)
    target = Path(name)
    try:
        fd, made = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                size = sum(file.write(piece) for piece in document)
            os.chmod(made, 0o666 & ~_umask())
            os.replace(made, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(made)
            raise
    except OSError as problem:
        raise SettingsError(f"{target} cannot be written: {problem.strerror}") from problem
    return size


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
