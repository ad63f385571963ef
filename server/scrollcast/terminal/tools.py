"""Which tool is shown how: by its name, whoever's agent calls it, else by the kind that the protocol gives it.

Nothing here trusts a shape: what a tool was given and what came back are whatever an agent wrote.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson
from rich.text import Text

from scrollcast.export.text import plain_text
from scrollcast.model import Part
from scrollcast.terminal.blocks import Block, Prose, Rows, highlighted, plural, rows_of
from scrollcast.terminal.differences import change_of, text_field
from scrollcast.terminal.text import coloured, first_words, safe

__all__ = ["TOOL_NAMES", "Call", "Look", "look_of", "name_of", "plan_rows", "result_blocks"]

COMMAND_LINES: Final = 6
OUTPUT_LINES: Final = 12
FILE_LINES: Final = 6
DIFF_LINES: Final = 40
"""So much is shown unless more is asked for."""

SUMMARY_CHARACTERS: Final = 120
INPUT_CHARACTERS: Final = 200_000

MAX_ENTRIES: Final = 100
"""More is no plan that one reads."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and what came back of it so far."""

    part: Part
    results: Sequence[Part] = ()

    @property
    def input(self) -> Any:
        """What the tool was given: an object where the agent wrote one, or JSON of one."""
        given = self.part.get("input")
        if isinstance(given, str) and given.lstrip()[:1] in ("{", "[") and len(given) <= INPUT_CHARACTERS:
            try:
                return orjson.loads(given)
            except ValueError:
                return given
        return given

    @property
    def output(self) -> str:
        """All text that came back."""
        parts = [inner for result in self.results for inner in result["output"]]
        return "\n".join(inner["text"] for inner in parts if inner["type"] in ("text", "code"))

    @property
    def failed(self) -> bool:
        """Whether any of the results is an error."""
        return any(result["is_error"] for result in self.results)


@dataclass(frozen=True, slots=True)
class Look:
    """How a call is shown: beside the tool's name in one line, with badges (words and their style), and below it."""

    summary: str = ""
    badges: Sequence[tuple[str, str]] = ()
    body: Sequence[Block] = ()


_Make: TypeAlias = Callable[[Call], "Look | None"]
"""Makes a look of a call; `None` where the input does not hold what it shows."""


def look_of(call: Call) -> Look:
    """How this call is shown."""
    name, _server = name_of(call.part["name"])
    names = _BY_NAME.get(re.sub(r"[\s_-]+", "", name.lower()))
    kind = _BY_KIND.get(str(call.part.get("kind") or ""))
    makers = [make for make in (names, kind) if make is not None]
    if _edit in makers or _write in makers:  # a tool for edits may write a whole file, and the other way round
        makers += [_edit, _write]
    for make in makers:
        look = make(call)
        if look is not None:
            return look
    return _generic(call)


def name_of(full: str) -> tuple[str, str | None]:
    """A tool's name, told apart from the server that offers it (`mcp__github__create_issue`)."""
    found = re.match(r"mcp__(.{1,60}?)__(.+)$", full) or re.match(r"mcp[.:]([^.:]{1,60})[.:](.+)$", full)
    return (found[2], found[1]) if found else (full, None)


# --------------------------------------------------------------------------------------------------------- the looks


def _terminal(call: Call) -> Look | None:
    command = _command(call.input)
    if not command:
        return None
    output, status = _outcome(call.output)
    badges = [(f"exit {status}", "red")] if status else []
    if isinstance(call.input, Mapping) and call.input.get("run_in_background") is True:
        badges.append(("in background", "dim"))
    prompt = highlighted(command.rstrip(), lexer="bash")
    lines = [Text.assemble(("$ " if not number else "  ", "dim"), line) for number, line in enumerate(prompt)]
    told = text_field(call.input, "description") or ""
    body = [Rows(lines, COMMAND_LINES, wrap=True), *_output(call, output)]
    return Look(first_words(told, SUMMARY_CHARACTERS), badges, body)


def _command(given: Any) -> str:
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        return ""
    command: Any = next(
        (given[name] for name in ("command", "cmd", "script", "commandLine", "CommandLine") if name in given), None
    )
    if isinstance(command, str):
        return command
    if not isinstance(command, list):
        return text_field(given, "code", "chars") or ""
    words = [str(word) for word in command]
    is_shell = len(words) > 2 and re.search(r"(^|[/\\])(ba|z|da|fi)?sh(\.exe)?$|powershell|pwsh|^cmd", words[0], re.I)
    return " ".join(words[2:]) if is_shell and words[1][:1] in ("-", "/") else shlex.join(words)


_CODEX: Final = re.compile(
    r"(?:Chunk ID: .*\n)?(?:Exit code: (\d+)\n)?Wall time: .*\n(?:Process exited with code (\d+)\n)?"
    r"(?:Process running .*\n)?(?:Original token count: .*\n)?(?:Total output lines: .*\n)?Output:\n"
)
_CLAUDE: Final = re.compile(r"(?:Error: )?Exit code (\d+)(?:\n|$)")


def _outcome(text: str) -> tuple[str, int]:
    """What a command printed and how it ended (0 where that is not told): some agents wrap both."""
    if text.startswith('{"output":'):
        try:
            told = orjson.loads(text)
            status = (told.get("metadata") or {}).get("exit_code")
            return str(told["output"]), status if isinstance(status, int) else 0
        except (ValueError, AttributeError):
            pass
    found = _CODEX.match(text) or _CLAUDE.match(text)
    if found:
        return text[found.end() :], int(next(filter(None, found.groups()), "0")[:9])
    return text, 0


def _edit(call: Call) -> Look | None:
    change = change_of(call.input)
    if change is None:
        return None
    badges = [(f"+{change.added}", "green")] if change.added else []
    badges += [(f"−{change.removed}", "red")] if change.removed else []
    # What came back of an edit that worked says only what the change shows.
    complaint = _output(call, call.output) if call.failed else []
    return Look(_path(call.input), badges, [Rows(change.rows(), DIFF_LINES), *complaint])


def _write(call: Call) -> Look | None:
    content = text_field(call.input, "content", "contents", "file_text", "text", "code_edit")
    if content is None:
        return None
    lines = highlighted(content, path=_path(call.input))
    complaint = _output(call, call.output) if call.failed else []
    return Look(_path(call.input), [(plural(len(lines), "line"), "dim")], [Rows(lines, FILE_LINES), *complaint])


def _read(call: Call) -> Look | None:
    path = _path(call.input)
    if not path:
        return None
    if call.failed or not call.output:
        return Look(path, (), _output(call, call.output))
    lines = highlighted(_unnumbered(call.output), path=path)
    return Look(path, [(plural(len(lines), "line"), "dim")], [Rows(lines, FILE_LINES, cut=_cut(call.results))])


def _unnumbered(text: str) -> str:
    """A file's lines without the numbers that tools write before them."""
    lines = text.split("\n")
    found = [re.match(r"\s*\d{1,7}(?:→|\t|\| )(.*)$", line) for line in lines]
    return "\n".join(each[1] if each else line for each, line in zip(found, lines, strict=True)) if found[0] else text


def _search(call: Call) -> Look | None:
    if not isinstance(call.input, Mapping):
        return None
    what = text_field(call.input, "pattern", "query", "glob_pattern", "regex", "glob", "search", "q") or ""
    path = _path(call.input)
    where = f"in {path}" if what and path else path
    lines = len(call.output.strip().split("\n")) if call.output.strip() else 0
    badges = [(plural(lines, "line"), "dim")] if lines else []
    body = _output(call, call.output, "nothing found")
    return Look(first_words(f"{what} {where}", SUMMARY_CHARACTERS), badges, body)


def _todo(call: Call) -> Look | None:
    given = call.input
    entries = given if isinstance(given, list) else None
    if isinstance(given, Mapping):
        entries = next(
            (
                given[name]
                for name in ("todos", "plan", "entries", "items", "tasks")
                if isinstance(given.get(name), list)
            ),
            None,
        )
    if not entries:
        return None
    plan = [
        {
            "content": each if isinstance(each, str) else text_field(each, *_ENTRY_WORDS) or "",
            "status": text_field(each, "status", "state") or ("done" if _is_done(each) else ""),
        }
        for each in entries
    ]
    done = sum(_state(entry) == "x" for entry in plan)
    return Look(f"{done} of {len(plan)} done", (), [Rows(plan_rows(plan), MAX_ENTRIES, wrap=True)])


_ENTRY_WORDS: Final = ("content", "step", "description", "title", "text", "subject")


def _is_done(entry: Any) -> bool:
    return isinstance(entry, Mapping) and (entry.get("done") is True or entry.get("completed") is True)


_STATES: Final = {
    "completed": "x", "complete": "x", "done": "x",
    "in_progress": "~", "in-progress": "~", "active": "~", "running": "~",
    "cancelled": "-", "canceled": "-", "skipped": "-", "deleted": "-",
}  # fmt: skip

_SIGNS: Final = {
    "x": ("✔", "green", "dim"), "~": ("▶", "yellow", "bold"), "-": ("−", "dim", "dim strike"), "": ("○", "dim", ""),
}  # fmt: skip


def _state(entry: Mapping[str, Any]) -> str:
    return _STATES.get(str(entry.get("status") or "").lower(), "")


def plan_rows(entries: Sequence[Mapping[str, Any]]) -> list[Text]:
    """The steps of a plan, each with what became of it."""
    rows = []
    for entry in entries:
        sign, colour, style = _SIGNS[_state(entry)]
        rows.append(Text.assemble((f"{sign} ", colour), (first_words(str(entry["content"]), 400), style)))
    return rows


def _fetch(call: Call) -> Look | None:
    if not isinstance(call.input, Mapping):
        return None
    what = text_field(call.input, "url", "uri", "query", "prompt") or ""
    return Look(first_words(what, SUMMARY_CHARACTERS), (), _output(call, call.output))


def _subagent(call: Call) -> Look | None:
    if not isinstance(call.input, Mapping):
        return None
    who, what = text_field(call.input, "subagent_type", "agent"), text_field(call.input, "description", "title", "name")
    prompt = text_field(call.input, "prompt", "message", "instructions", "task")
    body = [Rows(rows_of(prompt, "dim"), COMMAND_LINES, wrap=True)] if prompt else []
    summary = ": ".join(filter(None, (who, what)))
    return Look(first_words(summary, SUMMARY_CHARACTERS), (), [*body, *_output(call, call.output)])


def _proposal(call: Call) -> Look | None:
    plan = text_field(call.input, "plan")
    return None if plan is None else Look("", (), [Prose(plan), *_output(call, call.output)])


_TELLING: Final = (
    "title", "description", "subject", "name", "query", "question", "command", "path", "file_path", "url", "prompt",
    "message", "text", "skill",
)  # fmt: skip


def _generic(call: Call) -> Look:
    given, title = call.input, call.part.get("title")
    told = text_field(given, *_TELLING) or ""
    if isinstance(given, str):
        told = given
    if title and title != call.part["name"]:
        told = str(title)
    body: list[Block] = []
    if isinstance(given, str) and given.strip():
        body.append(Rows(rows_of(given), COMMAND_LINES, wrap=True, cut=_cut([call.part])))
    elif given not in (None, {}, []):
        body.append(Rows(_json_rows(given), COMMAND_LINES, cut=_cut([call.part])))
    return Look(first_words(told, SUMMARY_CHARACTERS), (), [*body, *_output(call, call.output)])


# ------------------------------------------------------------------------------------------------------- the results


def result_blocks(call: Call) -> list[Block]:
    """What came back, where the call itself is shown elsewhere."""
    return _output(call, _outcome(call.output)[0])


def _output(call: Call, text: str, nothing: str = "no output") -> list[Block]:
    if not call.results:
        return []
    others = [inner for result in call.results for inner in result["output"] if inner["type"] not in ("text", "code")]
    blocks: list[Block] = [Rows([_words_for(part)]) for part in others]
    if text.strip():
        lines = _json_lines(text) or coloured(text.strip("\n"))
        blocks.insert(0, Rows(lines, OUTPUT_LINES, cut=_cut(call.results)))
    elif not others:
        blocks.append(Rows([Text(nothing, "dim italic")]))
    return blocks


def _cut(parts: Sequence[Part]) -> int | None:
    """How long the whole is, in bytes, where it came cut."""
    inner = [part for result in parts for part in (result, *result.get("output", ()))]
    cut = sum(int(part["truncated"]["bytes"]) for part in inner if part.get("truncated"))
    return cut or None


def _words_for(part: Part) -> Text:
    match part["type"]:
        case "image":
            return Text(f"[picture, {safe(str(part['mime_type']))[:60]}]", "dim")
        case "resource":
            return Text(f"[{first_words(str(part['uri']), 200)}]", "dim")
        case kind:
            return Text(f"[{safe(str(kind))[:60]}]", "dim")


def _json_lines(text: str) -> list[Text] | None:
    if text.lstrip()[:1] not in ("{", "[") or len(text) > INPUT_CHARACTERS:
        return None
    try:
        return _json_rows(orjson.loads(text))
    except ValueError:
        return None


def _json_rows(value: Any) -> list[Text]:
    return highlighted(json.dumps(value, ensure_ascii=False, indent=2), lexer="json")


def _path(given: Any) -> str:
    path = text_field(
        given, "file_path", "filePath", "path", "notebook_path", "target_file", "absolute_path", "relative_path",
        "filename", "file",
    )  # fmt: skip
    shown = safe(plain_text(path or "").replace("\n", " "))
    return shown if len(shown) <= SUMMARY_CHARACTERS else "…" + shown[1 - SUMMARY_CHARACTERS :]


TOOL_NAMES: Final[Mapping[str, str]] = {
    "terminal": "bash bashcommand shell shellcommand execcommand exec localshell localshellcall containerexec"
    " runshellcommand runterminalcmd runterminalcommand runcommand executecommand terminal powershell"
    " bashoutput killshell writestdin",
    "diff": "edit multiedit notebookedit strreplace strreplaceeditor strreplacebasededittool searchreplace replace"
    " editfile applypatch applydiff patch",
    "write": "write writefile writetofile createfile create filewrite",
    "fileRead": "read readfile readmanyfiles view viewfile openfile notebookread cat",
    "search": "grep glob ls list listdir listdirectory listfiles search searchfiles searchfilecontent findfiles"
    " filesearch grepsearch ripgrep codebasesearch semanticsearch find toolsearch",
    "todo": "todowrite todoread writetodos updateplan todo todolist settodos",
    "fetch": "webfetch fetch websearch googlewebsearch searchweb browse readurl urlfetch httpget",
    "subagent": "task agent subagent spawnagent delegate dispatchagent",
    "proposal": "exitplanmode proposeplan",
}
"""Names without case, spaces, dashes and underscores, by the look that the page gives them."""

_LOOKS: Final[Mapping[str, _Make]] = {
    "terminal": _terminal, "diff": _edit, "write": _write, "fileRead": _read, "search": _search, "todo": _todo,
    "fetch": _fetch, "subagent": _subagent, "proposal": _proposal,
}  # fmt: skip

_BY_NAME: Final = {name: _LOOKS[look] for look, names in TOOL_NAMES.items() for name in names.split()}

_BY_KIND: Final[Mapping[str, _Make]] = {
    "execute": _terminal, "edit": _edit, "read": _read, "search": _search, "fetch": _fetch,
}  # fmt: skip
