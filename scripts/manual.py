"""`python scripts/manual.py FOLDER`: what the command's parsers say, as a manual page and as completions for shells.

They lie as they do below `/usr/share`, which is where the wheel puts them below its environment's `share`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any, Final
from unittest import mock

import shtab
from argparse_manpage.manpage import Manpage

from scrollcast import cli
from scrollcast._version import __version__

SHELLS: Final = {
    "bash": "bash-completion/completions/scrollcast",
    "zsh": "zsh/site-functions/_scrollcast",
    "fish": "fish/vendor_completions.d/scrollcast.fish",
}
"""Where each shell looks for what completes a command."""

MANUAL_PAGE: Final = "man/man1/scrollcast.1"

COMPLETED_BY: Final[dict[str | None, Any]] = {
    "PATH": shtab.FILE, "FILE": shtab.FILE, "SESSION": shtab.FILE, "DIR": shtab.DIRECTORY,
}  # fmt: skip
"""What stands in place of these words."""

NO_FILES: Final = {("share", "SESSION")}
"""Where it does not: a link is made for a session by its id."""


def make_parser() -> argparse.ArgumentParser:
    """The command line, each verb with what its arguments are completed by."""
    parser = cli._parser()
    for name, verb in verbs_of(parser).items():
        for action in verb._actions:
            if action.metavar in COMPLETED_BY and (name, action.metavar) not in NO_FILES:
                action.complete = COMPLETED_BY[action.metavar]  # type: ignore[attr-defined]
    return parser


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the verbs."""
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(verbs.choices)


def manual_page(parser: argparse.ArgumentParser) -> str:
    """The page, which says the same whoever makes it and when."""
    notes = {name: (verb.epilog or "").removesuffix(cli.EXIT_STATUS) for name, verb in verbs_of(parser).items()}
    heading, _, statuses = cli.EXIT_STATUS.partition(":\n")
    parser.epilog = None
    with mock.patch.dict(os.environ, COLUMNS="10000"):  # whoever shows the page breaks the lines
        page = Manpage(
            parser, {"project_name": "scrollcast", "version": __version__, "manual_title": "User commands"},
            format="single-commands-section",
        )  # fmt: skip
        page.date, page.description = "", "plays archived AI-agent sessions back"
        written = str(page)
    told = "".join(f'.SS "scrollcast {name}"\n{_as_it_stands(note)}' for name, note in notes.items() if note)
    return f"{written}.SH NOTES\n{told}.SH {heading.upper()}\n{_as_it_stands(dedent(statuses))}"


def _as_it_stands(text: str) -> str:
    escaped = text.strip().replace("\\", "\\e").replace("-", "\\-")
    lines = "\n".join(f"\\&{line}" for line in escaped.splitlines())  # a line that begins with a dot is a request
    return f".nf\n{lines}\n.fi\n"


def files() -> dict[str, str]:
    """Every file, by its place."""
    completions = {place: shtab.complete(make_parser(), shell) for shell, place in SHELLS.items()}
    return {**completions, MANUAL_PAGE: manual_page(cli._parser())}


if __name__ == "__main__":
    for place, text in files().items():
        path = Path(sys.argv[1], place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
