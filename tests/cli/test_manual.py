"""The manual page and the completions for shells, in `share/`: they say what the parsers say, and shells take them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from manual import MANUAL_PAGE, SHELLS, files, verbs_of
from scrollcast import cli

SHARE = Path(__file__).parents[2] / "share"

FLAGS = {
    verb: {flag for action in parser._actions for flag in action.option_strings}
    for verb, parser in verbs_of(cli._parser()).items()
}
"""The flags of each verb."""

VALUES = {"serve --log-format": {"text", "json"}, "play --mode": {"realtime", "reading", "fast"}}
"""What may stand behind some of them."""


def run(program: str, *arguments: str) -> str:
    """What a program says; skips where it is not on the machine."""
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} on this machine")
    done = subprocess.run((program, *arguments), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("place", [*SHELLS.values(), MANUAL_PAGE])
def test_the_file_is_what_the_parsers_say(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make manual` writes it anew."""
    monkeypatch.setenv("COLUMNS", "40")

    assert (SHARE / place).read_text() == files()[place]


@pytest.mark.parametrize("verb", FLAGS)
def test_the_page_has_every_verb_and_flag(verb: str) -> None:
    """And what is said of it."""
    page = (SHARE / MANUAL_PAGE).read_text().replace("\\-", "-")
    section = re.split(r'^\.S[SH] (?:\\fB)?"?scrollcast ', page.partition(".SH NOTES")[0], flags=re.MULTILINE)
    (told,) = (part for part in section if re.match(rf"{verb}\b", part))

    assert {flag for flag in FLAGS[verb] if f"\\fB{flag}\\fR" in told} == FLAGS[verb] - {"-h", "--help"}


def test_the_page_is_well_formed() -> None:
    """As far as groff can tell."""
    assert run("groff", "-man", "-ww", "-z", str(SHARE / MANUAL_PAGE)) == ""


def test_bash_completes_every_verb_flag_and_choice() -> None:
    """As if somebody pressed Tab."""
    script = r"""
    source "$1"; shift
    complete_it=$(complete -p scrollcast); complete_it=${complete_it#*-F }; complete_it=${complete_it%% *}
    for line in "$@"; do
      COMP_LINE="scrollcast $line" COMP_POINT=99
      read -ra COMP_WORDS <<<"$COMP_LINE"
      [[ $line == *" " || -z $line ]] && COMP_WORDS+=("")
      COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
      "$complete_it" scrollcast "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
      echo "${COMPREPLY[*]}"
    done
    """
    asked = ["", *(f"{verb} -" for verb in FLAGS), *(f"{option} " for option in VALUES)]
    said = run("bash", "--norc", "-c", script, "bash", str(SHARE / SHELLS["bash"]), *asked).splitlines()

    assert [set(line.split()) for line in said] == [set(FLAGS), *FLAGS.values(), *VALUES.values()]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("", set(FLAGS)), *((f"{verb} --", {f for f in flags if f[:2] == "--"}) for verb, flags in FLAGS.items()),
     *((f"{option} ", values) for option, values in VALUES.items())],
)  # fmt: skip
def test_fish_completes_every_verb_flag_and_choice(typed: str, expected: set[str]) -> None:
    """As if somebody pressed Tab."""
    script = "source $argv[1]; complete -C $argv[2]"
    said = run("fish", "--no-config", "-c", script, str(SHARE / SHELLS["fish"]), f"scrollcast {typed}")

    assert expected <= {line.split("\t")[0] for line in said.splitlines()}


def test_zsh_finds_it_and_it_has_every_verb_and_flag() -> None:
    """What it would say is for its own widgets, so the rest of the file is read."""
    path = SHARE / SHELLS["zsh"]
    script = (
        "fpath=($1 $fpath); autoload -Uz compinit; compinit -D -u; zsh -n $1/_scrollcast && echo $_comps[scrollcast]"
    )
    assert run("zsh", "-f", "-c", script, "zsh", str(path.parent)) == "_scrollcast\n"
    text = path.read_text()
    assert text.startswith("#compdef scrollcast\n")
    for verb, flags in FLAGS.items():
        options = re.search(rf"^_shtab_scrollcast_{verb}_options=\((.*?)^\)", text, re.MULTILINE | re.DOTALL)
        assert options is not None, verb
        assert {flag for flag in flags if re.search(rf"(?<![\w-]){flag}(?![\w-])", options[1])} == flags
