"""Flags and environment in, one validated `Settings` record out."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from scrollcast.access.token import OwnerToken
from scrollcast.archive.kept import counterparts
from scrollcast.archive.places import data_folder
from scrollcast.errors import SettingsError
from scrollcast.redaction import Redaction
from scrollcast.stream.registry import MAX_SESSIONS, MAX_STREAMS
from scrollcast.stream.session_stream import MAX_COMMANDS_A_SECOND

__all__ = [
    "COMPRESSION",
    "DEFAULT_PORT",
    "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_OF_ADDRESS",
    "PORTS_TRIED",
    "VARIABLES",
    "Settings",
    "allowed_embedders",
    "cache_folder",
    "client_token",
    "demo_folder",
    "is_loopback_name",
    "keeps_sessions",
    "kept_folder",
    "owner_token",
    "redact_patterns",
    "shares_file",
    "static_folder",
    "token_file",
    "user_names",
]

DEFAULT_PORT: Final = 8420
COMPRESSION: Final = ("auto", "on", "off")
PORTS_TRIED: Final = 50
"""How many ports from the wanted one on are tried when it is taken."""

MAX_CONNECTIONS: Final = 12_000
"""Connections of a process, streams and requests for pages together: somewhat more than it may have streams. Where the
system allows fewer open files, it is what these leave."""

MAX_CONNECTIONS_OF_ADDRESS: Final = 500
"""Connections with one address that is not this machine's own: an office behind one, but not all there may be."""

VARIABLES: Final = (
    "SCROLLCAST_ALLOW_EMBED", "SCROLLCAST_CACHE_DIR", "SCROLLCAST_CLIENT_TOKEN", "SCROLLCAST_KEEP",
    "SCROLLCAST_KEPT_DIR", "SCROLLCAST_REDACT_PATTERNS", "SCROLLCAST_TOKEN", "XDG_CACHE_HOME",
)  # fmt: skip
"""The environment variables that are read here; `archive/places.py` has those that say where sessions lie."""

_ROOT_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")
"""Segments of what needs no escaping in an address (RFC 3986, 2.3)."""

_LIMITS: Final = (
    "max_streams", "max_sessions", "max_connections", "max_connections_of_address", "max_commands",
)  # fmt: skip

_ON: Final = frozenset(("1", "true", "yes", "on"))
_OFF: Final = frozenset(("", "0", "false", "no", "off"))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told. Without `token`, for which everybody is asked, `host` is a loopback name or address.

    `paths` were named, and exist; `places` were found, and may be missing or yet to come. `kept` is the folder of kept
    sessions; with `keep` what is served is kept there. `root_path` is the path prefix that a proxy gives the server,
    without a slash at its end; `""` for none. `embedders` are the origins whose pages may frame the player. The limits
    are for each process; `None` for those of an address means `MAX_CONNECTIONS_OF_ADDRESS`, and no bound for this
    machine's own addresses.

    `shares` is the file of the links that share a session, and is there with `token`. `public_url` is where the server
    is to be had from elsewhere, without a slash at its end. What the `trusted_proxies` (addresses or networks) say of
    whom they speak for is believed.

    With `redact` secrets are taken out of whatever is shown; with `None` out of what leaves this machine, documents
    included; with `False` out of nothing but what a link says it of. `redaction` says what secrets are.

    `compression`, one of `COMPRESSION`, says whose messages are compressed where they offer it; with `auto` those of
    all who are not on this machine.
    """

    paths: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    open_browser: bool = True
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    cache: Path = Path()
    max_streams: int = MAX_STREAMS
    max_sessions: int = MAX_SESSIONS
    max_connections: int = MAX_CONNECTIONS
    max_connections_of_address: int | None = None
    max_commands: int = MAX_COMMANDS_A_SECOND
    places: tuple[Path, ...] = ()
    kept: Path | None = None
    keep: bool = False
    root_path: str = ""
    embedders: frozenset[str] = frozenset()
    token: OwnerToken | None = None
    shares: Path | None = None
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    redact: bool | None = None
    redaction: Redaction = field(default_factory=Redaction)
    certificate: Path | None = None
    certificate_key: Path | None = None
    compression: str = "auto"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it over TLS, its own or a proxy's."""
        return self.certificate is not None or self.public_url.startswith("https:")

    @property
    def has_proxy(self) -> bool:
        """Whether it was told of a proxy through which others come. By what a proxy passes on nobody can be sure who is
        on this machine."""
        name = urlsplit(self.public_url).hostname
        return bool(self.trusted_proxies) or (name is not None and not is_loopback_name(name))

    @property
    def known_hosts(self) -> frozenset[str]:
        """The hosts that requests may be made to, beside this machine's loopback names."""
        own = {urlsplit(self.public_url).netloc, "" if is_loopback_name(self.host) else _in_header(self.host)}
        return self.allowed_hosts | {host for host in own if host}

    @property
    def known_origins(self) -> frozenset[str]:
        """The origins whose pages may ask, beside the one that they ask."""
        return self.allowed_origins | self.own_origins

    @property
    def own_origins(self) -> frozenset[str]:
        """The origin of `public_url`: behind a proxy that ends TLS it is another one than the server sees."""
        parts = urlsplit(self.public_url)
        return frozenset({f"{parts.scheme}://{parts.netloc}"} if self.public_url else ())

    @property
    def roots(self) -> tuple[Path, ...]:
        """What is to be opened, in order of preference: what was named, what was found, and copies last.

        Of the copies all that were kept where places are looked at, else only those of what was named. Only named
        paths are sure to exist.
        """
        copies: list[Path] = []
        if self.kept is not None and self.places:
            copies = [self.kept]
        elif self.kept is not None:
            copies = [copy for path in self.paths for copy in counterparts(self.kept, path)]
        return tuple(dict.fromkeys((*self.paths, *self.places, *copies)))

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
        if self.token is None and not is_loopback_name(self.host):
            raise SettingsError(
                f"--host {self.host} would show every session to whoever can reach this machine; add --auth, so that "
                "they are asked for a token, or stay on 127.0.0.1 and reach it through a tunnel: "
                "ssh -L 8420:127.0.0.1:8420 this-machine"
            )
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"--port {self.port} is not between 0 and 65535")
        for name in _LIMITS:
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise SettingsError(f"--{name.replace('_', '-')} {limit} is not a whole number from 1 on")
        if self.public_url and not _is_root(self.public_url):
            raise SettingsError(
                f"--public-url {self.public_url[:200]} is not of the form https://name or https://name/prefix"
            )
        if self.root_path and not _ROOT_PATH.fullmatch(self.root_path):
            raise SettingsError(f"--root-path {self.root_path[:200]} is not of the form /name or /name/name")
        if self.public_url and urlsplit(self.public_url).path != self.root_path:
            raise SettingsError(f"--public-url {self.public_url[:200]} and --root-path {self.root_path} do not agree")
        if self.compression not in COMPRESSION:
            raise SettingsError(f"--compression {self.compression[:50]} is none of {', '.join(COMPRESSION)}")
        if self.certificate_key is not None and self.certificate is None:
            raise SettingsError("--ssl-keyfile is of no use without --ssl-certfile")
        for proxy in self.trusted_proxies:
            if not _is_network(proxy):
                raise SettingsError(f"--trusted-proxy {proxy[:200]} is neither an address nor a network")
        for host in self.allowed_hosts:
            if not host or any(sign in host for sign in "/@?# "):
                raise SettingsError(f"--allow-host {host} is not of the form name or name:port")
        for origin in self.allowed_origins:
            if not _is_origin(origin):
                raise SettingsError(f"--allow-origin {origin} is not of the form https://name or https://name:port")
        for origin in self.embedders:
            if not _is_origin(origin) or any(sign in origin for sign in "; ,'\""):
                raise SettingsError(f"--allow-embed {origin} is not of the form https://name or https://name:port")


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and f"{parts.scheme}://{parts.netloc}" == text


def _is_root(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc or "?" in text or "#" in text)
    path = not parts.path or _ROOT_PATH.fullmatch(parts.path) is not None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain and path


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _in_header(host: str) -> str:
    """A host as it stands in a `Host` header; `""` for the address that stands for all."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower()
    if address.is_unspecified:
        return ""
    return f"[{address}]" if address.version == 6 else str(address)


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


def kept_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where sessions are kept: `SCROLLCAST_KEPT_DIR`, else a folder among the user's data."""
    given = environment.get("SCROLLCAST_KEPT_DIR")
    return Path(os.path.abspath(given)) if given else data_folder(environment) / "kept"


def owner_token(environment: Mapping[str, str] = os.environ) -> OwnerToken:
    """The token that `SCROLLCAST_TOKEN` gives, else the one that is kept among the user's data, made on first use.

    Raises:
        SettingsError: it is no token, or others could read its file.
    """
    given = environment.get("SCROLLCAST_TOKEN")
    if not given:
        return OwnerToken.of_file(token_file(environment))
    try:
        return OwnerToken(given)
    except SettingsError as problem:
        raise SettingsError(f"SCROLLCAST_TOKEN: {problem}") from None


def client_token(path: Path | None, environment: Mapping[str, str] = os.environ) -> OwnerToken | None:
    """What opens the server that a verb is given the address of: the token in a file, else that which
    `SCROLLCAST_CLIENT_TOKEN` gives; `None` where there is neither.

    It is another variable than the server's, so that one's own token goes to no server that one only looks at.

    Raises:
        SettingsError: it is no token, or others could read its file.
    """
    if path is not None:
        return OwnerToken.given_in(path)
    given = environment.get("SCROLLCAST_CLIENT_TOKEN")
    if not given:
        return None
    try:
        return OwnerToken(given)
    except SettingsError as problem:
        raise SettingsError(f"SCROLLCAST_CLIENT_TOKEN: {problem}") from None


def token_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the token is kept that the environment does not give."""
    return data_folder(environment) / "token"


def shares_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the links that share sessions are kept."""
    return data_folder(environment) / "shares.sqlite3"


def keeps_sessions(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether sessions are to be kept without being asked for each time: `SCROLLCAST_KEEP`.

    Raises:
        SettingsError: it says neither yes nor no.
    """
    value = environment.get("SCROLLCAST_KEEP", "").strip().lower()
    if value not in _ON | _OFF:
        raise SettingsError(f"SCROLLCAST_KEEP is {value[:50]}, which is neither 1 nor 0")
    return value in _ON


def allowed_embedders(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The origins whose pages may always frame the player: `SCROLLCAST_ALLOW_EMBED`, with spaces or commas between."""
    return frozenset(environment.get("SCROLLCAST_ALLOW_EMBED", "").replace(",", " ").split())


def redact_patterns(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The owner's own patterns: those in the file that `SCROLLCAST_REDACT_PATTERNS` names, one a line, without those
    that begin with `#`.

    Raises:
        SettingsError: the file cannot be read.
    """
    given = environment.get("SCROLLCAST_REDACT_PATTERNS")
    if not given:
        return ()
    try:
        lines = Path(given).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no UTF-8"
        raise SettingsError(f"SCROLLCAST_REDACT_PATTERNS: {given} cannot be read: {reason}") from problem
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))


def user_names(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The names by which this user is known to the system."""
    given = (environment.get("USER"), environment.get("LOGNAME"), environment.get("USERNAME"), Path.home().name)
    return frozenset(filter(None, given))


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
