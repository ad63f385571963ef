"""The `scrollcast` command: `main(argv)` gives the exit status; each verb has a file of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from scrollcast._version import __version__
from scrollcast.cli import cat, doctor, export, keep, listing, play, record, serve, share
from scrollcast.errors import ArchiveError, SettingsError

__all__ = ["main"]

EXIT_STATUS = """\
exit status:
  0    it did what was asked; also when stopped with Ctrl+C
  1    it could not go on, or not with everything, for a reason given
  2    a flag, a path or a value is wrong; stderr says which
  130  it was stopped with Ctrl+C before it had begun
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; the verbs' parsers are of this class too."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="scrollcast",
        description="Plays archived AI-agent sessions back, in the browser and over a WebSocket.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scrollcast {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in (serve, play, cat, listing, export, share, record, keep, doctor):
        verb.add_parser(verbs, epilog=EXIT_STATUS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status (`EXIT_STATUS`)."""
    arguments = _parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
    except SettingsError as problem:
        print(f"scrollcast: {problem}", file=sys.stderr)
        return 2
    except ArchiveError as problem:
        print(f"scrollcast: {problem} {problem.detail}".rstrip(), file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read what was printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 0
    assert isinstance(status, int)
    return status
