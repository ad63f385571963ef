from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scrollcast.errors import SettingsError
from scrollcast.settings import (
    DEFAULT_PORT,
    Settings,
    cache_folder,
    demo_folder,
    is_loopback_name,
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


def test_what_is_shipped_is_found() -> None:
    """The page and the demo, from a checkout as from a wheel."""
    assert (static_folder() / "index.html").is_file()
    assert any(demo_folder().iterdir())
