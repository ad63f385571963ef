"""Flags and environment in, one validated `Settings` record out."""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from scrollcast.errors import SettingsError
from scrollcast.stream.registry import MAX_STREAMS

__all__ = [
    "DEFAULT_PORT",
    "PORTS_TRIED",
    "Settings",
    "cache_folder",
    "demo_folder",
    "is_loopback_name",
    "static_folder",
]

DEFAULT_PORT: Final = 8420
PORTS_TRIED: Final = 50
"""How many ports from the wanted one on are tried when it is taken."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told. `paths` exist; `host` is a loopback name or address."""

    paths: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    open_browser: bool = True
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    cache: Path = Path()
    max_streams: int = MAX_STREAMS

    def __post_init__(self) -> None:
        for path in self.paths:
            try:
                found = path.exists()
            except OSError as problem:
                raise SettingsError(f"{str(path)[:200]} cannot be looked at: {problem.strerror}") from problem
            if not found:
                raise SettingsError(f"there is no file or folder {path}")
            if not os.access(path, os.R_OK):
                raise SettingsError(f"{path} cannot be read")
        if not is_loopback_name(self.host):
            raise SettingsError(
                f"--host {self.host} would show every session to the network, and this version has no way to ask for "
                "a password; stay on 127.0.0.1 and reach it through a tunnel: ssh -L 8420:127.0.0.1:8420 this-machine"
            )
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"--port {self.port} is not between 0 and 65535")
        for host in self.allowed_hosts:
            if not host or any(sign in host for sign in "/@?# "):
                raise SettingsError(f"--allow-host {host} is not of the form name or name:port")
        for origin in self.allowed_origins:
            if not _is_origin(origin):
                raise SettingsError(f"--allow-origin {origin} is not of the form https://name or https://name:port")


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and f"{parts.scheme}://{parts.netloc}" == text


def is_loopback_name(name: str) -> bool:
    """Whether a host name or address (without a port) always means this machine."""
    bare = name.strip("[]").rstrip(".").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where indexes are kept: `SCROLLCAST_CACHE_DIR`, else the user's cache folder."""
    if given := environment.get("SCROLLCAST_CACHE_DIR"):
        return Path(given)
    base = environment.get("XDG_CACHE_HOME") or ""
    root = Path(base) if os.path.isabs(base) else Path(environment.get("HOME") or Path.home()) / ".cache"
    return root / "scrollcast"


def _shipped(inside_package: str, inside_checkout: str) -> Path:
    """Something that stands beside the code in a wheel, and at the top of a checkout."""
    package = Path(__file__).parent
    candidates: Sequence[Path] = (package / inside_package, package.parents[1] / inside_checkout)
    return next((path for path in candidates if path.is_dir()), candidates[0])


@functools.cache
def static_folder() -> Path:
    """The page's files."""
    return _shipped("static", "static")


def demo_folder() -> Path:
    """The demo archive."""
    return _shipped("demo", "archive_fixtures/demo")
