"""What a tool does, told from its name: the tool kinds of the Agent Client Protocol, for every format's reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["tool_kind"]

_NAMES: Final[Mapping[str, str]] = {
    "read": "Read NotebookRead LS read_file read_many_files list_directory view view_image list ReadFile"
    " list_mcp_resources read_mcp_resource"
    " list_dir ReadLints"
    " open",
    "edit": "Edit MultiEdit Write NotebookEdit apply_patch replace write_file edit write patch StrReplace"
    " str_replace_editor text_editor edit_file search_replace EditNotebook"
    " file_editor str_replace_based_edit_tool",
    "delete": "Delete delete_file",
    "move": "Move move_file",
    "execute": "Bash BashOutput KillShell Shell bash shell local_shell shell_command exec exec_command write_stdin"
    " run_shell_command python bash_session bash_command execute_bash execute_ipython_cell"
    " run_terminal_cmd run_command"
    " terminal",
    "search": "Grep Glob grep glob grep_search search_file_content codebase_search codesearch ToolSearch grep_files"
    " SemanticSearch file_search glob_file_search"
    " find_file search_dir search_file",
    "fetch": "WebFetch WebSearch web_fetch google_web_search webfetch web_search web_search_call browser_navigate",
    "think": "TodoWrite todowrite todoread write_todos update_plan TaskCreate TaskUpdate think task_tracker",
    "switch_mode": "EnterPlanMode ExitPlanMode plan_enter plan_exit SwitchMode",
    "other": "Task Agent task spawn_agent wait_agent send_input server_tool",
}


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_KINDS: Final[Mapping[str, str]] = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_FOLDED_KINDS: Final[Mapping[str, str]] = {_fold(name): kind for name, kind in _KINDS.items()}


def tool_kind(name: str) -> str:
    """The kind of the tool of this name, `other` for one that is not known.

    The exact name counts first, then the name without regard to case, `_` and `-`.
    """
    kind = _KINDS.get(name)
    if kind is not None:
        return kind
    folded = _fold(name)
    if folded.startswith("webbrowser"):
        return "fetch"
    return _FOLDED_KINDS.get(folded, "other")
