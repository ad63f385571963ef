import pytest

from scrollcast.archive.formats.tool_kinds import tool_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Read", "read"),
        ("LS", "read"),
        ("list_directory", "read"),
        ("MultiEdit", "edit"),
        ("apply_patch", "edit"),
        ("str_replace_editor", "edit"),
        ("delete_file", "delete"),
        ("Bash", "execute"),
        ("run_shell_command", "execute"),
        ("Grep", "search"),
        ("codebase_search", "search"),
        ("WebFetch", "fetch"),
        ("web_browser_click", "fetch"),
        ("TodoWrite", "think"),
        ("update_plan", "think"),
        ("ExitPlanMode", "switch_mode"),
        ("Task", "other"),
        ("mcp__sky__look", "other"),
        ("mcp__files__read_file", "other"),
        ("", "other"),
        ("__proto__", "other"),
    ],
)
def test_names_of_the_table(name: str, kind: str) -> None:
    """Each kind of the Agent Client Protocol is told from the names that tools give."""
    assert tool_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("web-fetch", "fetch"), ("READ", "read"), ("Run-Shell-Command", "execute"), ("exitplanmode", "switch_mode")],
)
def test_spelling_of_a_name_does_not_matter(name: str, kind: str) -> None:
    """A name that is not in the table counts without regard to case, underscores and hyphens."""
    assert tool_kind(name) == kind
