from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scrollcast.errors import SettingsError
from scrollcast.settings import (
    DEFAULT_PORT,
    Settings,
    allowed_embedders,
    cache_folder,
    demo_folder,
    is_loopback_name,
    keeps_sessions,
    kept_folder,
    static_folder,
)
from scrollcast.stream.registry import MAX_STREAMS


def test_the_defaults(tmp_path: Path) -> None:
    """Loopback only, nothing further allowed."""
    settings = Settings((tmp_path,))

    assert (settings.host, settings.port) == ("127.0.0.1", DEFAULT_PORT)
    assert settings.allowed_hosts == settings.allowed_origins == frozenset()
    assert settings.max_streams == MAX_STREAMS


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "0.0.0.0"},
        {"host": "example.com"},
        {"host": ""},
        {"port": -1},
        {"port": 65_536},
        {"paths": (Path("/no/such/thing"),)},
        {"paths": (Path("x" * 5000),)},
        {"allowed_hosts": frozenset(("",))},
        {"allowed_hosts": frozenset(("https://a.example",))},
        {"allowed_hosts": frozenset(("a.example/path",))},
        {"allowed_hosts": frozenset(("me@a.example",))},
        {"allowed_origins": frozenset(("a.example",))},
        {"allowed_origins": frozenset(("https://a.example/",))},
        {"allowed_origins": frozenset(("https://a.example?x",))},
        {"allowed_origins": frozenset(("https://a.example#x",))},
        {"allowed_origins": frozenset(("ftp://a.example",))},
        {"allowed_origins": frozenset(("https://",))},
        {"allowed_origins": frozenset(("https://[x",))},
        {"allowed_origins": frozenset(("null",))},
        {"max_streams": 0},
        {"max_sessions": -1},
        {"max_connections": 0},
        {"max_connections_of_address": 0},
        {"max_commands": 0},
        {"compression": "gzip"},
        {"root_path": "x"},
        {"root_path": "/x/"},
        {"root_path": "//x"},
        {"root_path": "/x/../y"},
        {"root_path": '/x"><script>'},
    ],
    ids=str,
)
def test_nonsense_is_refused_in_one_sentence(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Settings that exist are valid; the sentence is for the person at the command line."""
    with pytest.raises(SettingsError) as caught:
        Settings(**{"paths": (tmp_path,), **fields})

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "127.9.9.9"},
        {"port": 0},
        {"port": 65_535},
        {"allowed_hosts": frozenset(("a.example", "a.example:80", "[2001:db8::1]"))},
        {"allowed_origins": frozenset(("https://a.example", "http://a.example:8080"))},
        {"root_path": "/x/y-2/.z"},
    ],
    ids=str,
)
def test_what_is_valid_is_taken(tmp_path: Path, fields: dict[str, Any]) -> None:
    """As it was given."""
    settings = Settings((tmp_path,), **fields)

    assert {name: getattr(settings, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("name", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("[::1]", True),
        ("0:0:0:0:0:0:0:1", True),
        ("", False),
        (".", False),
        ("0.0.0.0", False),
        ("::", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("localhost.example", False),
        ("example.localhost", False),
        ("localhost.localdomain", False),
        ("127.0.0.1.nip.io", False),
        ("127.1", False),
        ("0177.0.0.1", False),
        ("2130706433", False),
        ("localhost:80", False),
    ],
)
def test_which_names_always_mean_this_machine(name: str, loopback: bool) -> None:
    """A name that a resolver decides about is none of them."""
    assert is_loopback_name(name) is loopback


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"SCROLLCAST_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"SCROLLCAST_CACHE_DIR": "", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/scrollcast"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/scrollcast"),
        ({"HOME": "/c"}, "/c/.cache/scrollcast"),
    ],
)
def test_where_the_cache_lies(environment: dict[str, str], folder: str) -> None:
    """Our own variable, then the user's cache folder; a relative one is none (XDG Base Directory)."""
    assert cache_folder(environment) == Path(folder)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"SCROLLCAST_KEPT_DIR": "/a", "XDG_DATA_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"SCROLLCAST_KEPT_DIR": "", "XDG_DATA_HOME": "/b", "HOME": "/c"}, "/b/scrollcast/kept"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/c"}, "/c/.local/share/scrollcast/kept"),
        ({"HOME": "/c"}, "/c/.local/share/scrollcast/kept"),
    ],
)
def test_where_sessions_are_kept(environment: dict[str, str], folder: str) -> None:
    """Our own variable, then the user's data: copies are no cache, they cannot be made anew."""
    assert kept_folder(environment) == Path(folder)


@pytest.mark.parametrize(
    ("value", "keeps"), [("1", True), ("true", True), ("On", True), ("", False), ("0", False), (" no ", False)]
)
def test_whether_sessions_are_kept(value: str, keeps: bool) -> None:
    """Only where it was asked for."""
    assert keeps_sessions({"SCROLLCAST_KEEP": value}) is keeps
    assert keeps_sessions({}) is False


def test_a_variable_that_says_neither_yes_nor_no_is_refused() -> None:
    """Sessions that somebody believes to be kept would be lost."""
    with pytest.raises(SettingsError, match="SCROLLCAST_KEEP is maybe"):
        keeps_sessions({"SCROLLCAST_KEEP": "maybe"})


def test_what_is_opened_comes_in_order_of_preference(tmp_path: Path) -> None:
    """What was named, what was found, all copies; each once. Places and copies may be missing."""
    place, kept = tmp_path / "place", tmp_path / "kept"

    assert Settings((tmp_path,), places=(place, tmp_path), kept=kept).roots == (tmp_path, place, kept)
    assert Settings(places=(place,)).roots == (place,)


def test_of_what_was_named_only_its_own_copies_are_opened(tmp_path: Path) -> None:
    """Nobody who names a folder wants to see what else was kept."""
    named, kept = tmp_path / "named", tmp_path / "kept"
    copy = kept / "claude-code" / named.relative_to("/")
    for folder in (named, copy, kept / "codex" / "elsewhere"):
        folder.mkdir(parents=True)

    assert Settings((named,), kept=kept).roots == (named, copy)


def test_what_is_shipped_is_found() -> None:
    """The page and the demo, from a checkout as from a wheel."""
    assert (static_folder() / "index.html").is_file()
    assert any(demo_folder().iterdir())


@pytest.mark.parametrize(
    "origin", ["blog.example", "https://blog.example/", "*", "https://a;b", "https://a 'self'", "null"]
)
def test_what_is_no_origin_may_not_embed(origin: str) -> None:
    """A policy is made of them, so nothing else gets in."""
    with pytest.raises(SettingsError, match="--allow-embed"):
        Settings(embedders=frozenset({origin}))


def test_embedders_are_read_from_the_environment() -> None:
    """With spaces or commas between them."""
    given = {"SCROLLCAST_ALLOW_EMBED": "https://a.example, http://b.example:81  https://c.example"}

    assert allowed_embedders(given) == {"https://a.example", "http://b.example:81", "https://c.example"}
    assert allowed_embedders({}) == frozenset()
