"""The rules: expressions that find secrets, with what says that a match is none.

Read from data in the form of gitleaks' configuration (`rules/README.md`). Expressions are RE2's: gitleaks' are written
for it, and its time is linear in the text, so that no session and no pattern of a user can stall a server.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias

import re2

from scrollcast.errors import SettingsError

__all__ = ["OWN_PATTERN", "SECRET", "USER_NAME", "Rule", "compile_bytes", "load_rules", "make_pattern_rule"]

Expression: TypeAlias = Any
"""A compiled expression of RE2, which has no types of its own."""

RULE_FILES: Final = ("gitleaks.toml", "scrollcast.toml")

OWN_PATTERN: Final = "own-pattern"
"""The id of what the user's own patterns find."""

SECRET: Final = "secret"
"""The label of what any of the rules finds that go by what stands around a secret."""

USER_NAME: Final = "user"
"""The label of the names of users."""

MAX_PATTERN_CHARACTERS: Final = 2_000

_MEMORY_BYTES: Final = 64 << 20
"""What RE2 may spend on one expression; with less the one of all keywords would forget its states and be slow."""

_LONG_REACH: Final = 16 << 10
"""How far behind its keyword a match without a bound is looked for at first."""

_TERMINATOR: Final = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
_WIDER_TERMINATOR: Final = r"""(?:[\x60'"\s;,.:!?&|*<>(){}\[\]@#]|\\|$)"""
"""What ends a secret in gitleaks' rules is what ends one in code; in prose, Markdown and addresses it is more."""

_OPERATORS: Final = "(?:=|>|:{1,3}="
_CONTEXTUAL: Final = frozenset(
    ("curl-auth-header", "curl-auth-user", "kubernetes-secret-yaml", "nuget-config-password")
)
"""How gitleaks' rules are known that go by what stands before a secret: by the signs of an assignment, or by name."""

_PASSED_OVER: Final = frozenset(("hashicorp-tf-password", "sourcegraph-access-token"))
"""Rules that are right only where a file has a certain name: ours find the same by more, and any hash of 40 digits is
no secret because somebody speaks of Sourcegraph."""

_KEYWORDS: Final[Mapping[str, str]] = {"ey": "ey[a-z0-9]{15}", "s.": r"s\.[a-z0-9]{24}", "sk": "sk[0-9a-f]{32}"}
"""Keywords of gitleaks' that are in every text, each with an expression that says more of what follows them."""


@dataclass(frozen=True, slots=True)
class _Allowlist:
    """What is no secret though a rule matches: by the secret itself, the whole match, or the line that it stands in."""

    target: Literal["secret", "match", "line"]
    patterns: tuple[str, ...] = ()
    stopwords: str = ""

    def allows(self, secret: bytes, match: bytes, line: bytes) -> bool:
        """Whether it lets this pass."""
        text = {"secret": secret, "match": match, "line": line}[self.target]
        if any(compile_bytes(pattern).search(text) for pattern in self.patterns):
            return True
        return bool(self.stopwords) and compile_bytes(self.stopwords).search(secret) is not None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One kind of secret. A match holds one of the `keywords`, and ends within `reach` bytes of it.

    Keywords are expressions; one in upper case has to stand so. Without any the rule is tried on every text. What has
    an `entropy` (in bits a byte) of no more than the rule's is no secret. `group` 0 stands for the first group that
    took part, else for the whole match. What is known by what stands around it has the `label` `SECRET`, since
    elsewhere the same may be known by something else.
    """

    id: str
    pattern: str
    label: str
    keywords: tuple[str, ...] = ()
    entropy: float = 0.0
    group: int = 0
    reach: int = _LONG_REACH
    allowlists: tuple[_Allowlist, ...] = field(default=(), repr=False)

    def secrets(self, text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where in a stretch of a text its secrets are: each as a start and an end."""
        for match in compile_bytes(self.pattern).finditer(text, start, stop):
            span = self._span(match)
            if span[0] < span[1] and self._is_secret(text, match, span):
                yield span

    def _span(self, match: Any) -> tuple[int, int]:
        groups = (self.group,) if self.group else range(1, match.re.groups + 1)
        spans: Iterable[tuple[int, int]] = (match.span(group) for group in groups)
        return next((span for span in spans if span[0] >= 0 and span[1] > span[0]), match.span())

    def _is_secret(self, text: bytes, match: Any, span: tuple[int, int]) -> bool:
        secret = text[span[0] : span[1]]
        if self.entropy and _entropy(secret) <= self.entropy:
            return False
        if not self.allowlists:
            return True
        start, stop = match.span()
        line = text[text.rfind(b"\n", 0, start) + 1 : _line_end(text, stop)]
        return not any(allowlist.allows(secret, text[start:stop], line) for allowlist in self.allowlists)


def _line_end(text: bytes, place: int) -> int:
    end = text.find(b"\n", place)
    return len(text) if end < 0 else end


def _entropy(secret: bytes) -> float:
    """Shannon's, in bits a byte."""
    size = len(secret)
    return -sum(count / size * math.log2(count / size) for count in Counter(secret).values())


# -------------------------------------------------------------------------------------------------------- loading


@cache
def load_rules() -> tuple[Rule, ...]:
    """The rules that come with Scrollcast."""
    folder = files("scrollcast.redaction") / "rules"
    theirs, ours = (tomllib.loads((folder / name).read_text(encoding="utf-8")) for name in RULE_FILES)
    of_all = _allowlists([ours["allowlist"]])
    return (*_parse(theirs, (*_allowlists([theirs["allowlist"]]), *of_all)), *_parse(ours, of_all))


def _parse(table: Mapping[str, Any], shared: tuple[_Allowlist, ...]) -> Iterator[Rule]:
    for row in table["rules"]:
        if "regex" not in row or row["id"] in _PASSED_OVER:  # one without goes by the name of a file alone
            continue
        expression = row["regex"].replace(_TERMINATOR, _WIDER_TERMINATOR)
        yield Rule(
            row["id"],
            expression,
            row.get("label", SECRET if _is_contextual(row) else row["id"]),
            tuple(_KEYWORDS.get(word, re.escape(word)) for word in row.get("keywords", ())),
            float(row.get("entropy", 0)),
            row.get("secretGroup", 0),
            _reach(expression),
            (*_allowlists(row.get("allowlists", ())), *shared),
        )


def _is_contextual(row: Mapping[str, Any]) -> bool:
    return _OPERATORS in row["regex"] or row["id"] in _CONTEXTUAL


def _allowlists(rows: Sequence[Mapping[str, Any]]) -> tuple[_Allowlist, ...]:
    """Those that do not ask for a file's path as well: text in a session has none."""
    return tuple(
        _Allowlist(
            row.get("regexTarget", "secret"),
            tuple(row.get("regexes", ())),
            _any_of(row.get("stopwords", ())),
        )
        for row in rows
        if row.get("condition") != "AND" and (row.get("regexes") or row.get("stopwords"))
    )


def _any_of(words: Sequence[str]) -> str:
    return "(?i)" + "|".join(map(re.escape, words)) if words else ""


def _reach(expression: str) -> int:
    """How long a match can be, told by its bounds; a bound for those that have none."""
    if re.search(r"[+*](?!\])|,\}", re.sub(r"\[[^\]]*\]|\\.", "x", expression)):
        return _LONG_REACH
    bounds = re.findall(r"\{(?:\d+,)?(\d+)\}", expression)
    return 128 + sum(map(int, bounds))


@cache
def compile_bytes(pattern: str, *, ignore_case: bool = False) -> Expression:
    """An expression over UTF-8, byte by byte; made when it is first needed, since most rules never are.

    Raises:
        ValueError: it is none; the sentence says why.
    """
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as problem:
        reason = problem.args[0] if problem.args else "it is no regular expression"
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


def make_pattern_rule(pattern: str) -> Rule:
    """A user's own pattern as a rule: its first group, where it has one, is what is replaced.

    Raises:
        SettingsError: it is no expression of RE2, is too long, or matches where there is nothing.
    """
    shown = pattern[:100]
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise SettingsError(f"--redact-pattern {shown}… is longer than {MAX_PATTERN_CHARACTERS} characters")
    try:
        expression = compile_bytes(pattern)
    except ValueError as reason:
        raise SettingsError(f"--redact-pattern {shown}: {reason}") from None
    if expression.search(b"") is not None:
        raise SettingsError(f"--redact-pattern {shown} matches where there is nothing; say what has to be there")
    return Rule(OWN_PATTERN, pattern, OWN_PATTERN)
