"""A corpus to measure redaction on: sessions with planted secrets of every kind, and with what only looks like one.

Everything is drawn from a seed, so that a number means the same on every machine. No value here was ever anybody's.
"""

from __future__ import annotations

import json
import random
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import orjson

__all__ = ["FORMS", "KINDS", "LOOKALIKES", "Planted", "Sample", "event_of", "lookalikes", "planted"]

ALNUM: Final = string.ascii_letters + string.digits
LOWER: Final = string.ascii_lowercase + string.digits
HEX: Final = "0123456789abcdef"
BASE64: Final = ALNUM + "+/"


def draw(rng: random.Random, alphabet: str, count: int) -> str:
    """So many characters, of which one at least is a digit where there are digits to draw."""
    text = [rng.choice(alphabet) for _ in range(count)]
    if "7" in alphabet:
        text[rng.randrange(count)] = rng.choice([digit for digit in "234567" if digit in alphabet])
    return "".join(text)


@dataclass(frozen=True)
class Planted:
    """A secret: what must not survive, and a sentence or line in which people come to write it."""

    secret: str
    text: str


def _key(prefix: str, alphabet: str, count: int, line: str = "{}") -> Callable[[random.Random], Planted]:
    def make(rng: random.Random) -> Planted:
        secret = prefix + draw(rng, alphabet, count)
        return Planted(secret, line.format(secret))

    return make


def _named(line: str, alphabet: str, count: int) -> Callable[[random.Random], Planted]:
    def make(rng: random.Random) -> Planted:
        secret = draw(rng, alphabet, count)
        return Planted(secret, line.replace("{}", secret))

    return make


def _private_key(rng: random.Random) -> Planted:
    lines = [draw(rng, BASE64, 64) for _ in range(24)] + [draw(rng, BASE64, 40) + "=="]
    body = "\n".join(lines)
    kind = rng.choice(("RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"))
    return Planted(lines[12], f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----")


def _cut_private_key(rng: random.Random) -> Planted:
    lines = [draw(rng, BASE64, 64) for _ in range(8)]
    return Planted(lines[5], "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(lines) + "\n... (truncated)")


def _jwt(rng: random.Random) -> Planted:
    def piece(value: Any) -> str:
        return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")

    signature = draw(rng, ALNUM + "-_", 43)
    head = piece({"alg": "HS256", "typ": "JWT"})
    return Planted(signature, f"{head}.{piece({'sub': draw(rng, string.digits, 9), 'role': 'x'})}.{signature}")


def _slack(rng: random.Random) -> Planted:
    secret = f"xoxb-{draw(rng, string.digits, 12)}-{draw(rng, string.digits, 12)}-{draw(rng, ALNUM, 24)}"
    return Planted(secret, secret)


def _basic(rng: random.Random) -> Planted:
    secret = b64encode(f"deploy:{draw(rng, ALNUM, 14)}".encode()).decode()
    return Planted(secret, f"curl -H 'Authorization: Basic {secret}' https://api.internal/v1")


PASSWORD: Final = ALNUM + "!%*_-"

KINDS: Final[Mapping[str, Callable[[random.Random], Planted]]] = {
    "aws-access-key": _key("AKIA", string.ascii_uppercase + "234567", 16),
    "aws-secret-key": _named("aws_secret_access_key = {}", BASE64, 40),
    "aws-session-token": _named('"SessionToken": "{}"', BASE64, 240),
    "github-token": _key("ghp_", ALNUM, 36),
    "github-fine-token": _key("github_pat_", ALNUM + "_", 82),
    "gitlab-token": _key("glpat-", ALNUM + "-_", 20),
    "slack-token": _slack,
    "stripe-key": _key("sk_live_", ALNUM, 24),
    "google-key": _key("AIza", ALNUM + "-_", 35),
    "google-oauth-secret": _key("GOCSPX-", ALNUM + "-_", 28),
    "google-oauth-token": _key("ya29.", ALNUM + "-_", 90),
    "openai-key": _key("sk-proj-", ALNUM + "-_", 120),
    "anthropic-key": _key("sk-ant-api03-", ALNUM + "-_", 93, "{}AA"),
    "openrouter-key": _key("sk-or-v1-", HEX, 64),
    "groq-key": _key("gsk_", ALNUM, 52),
    "hugging-face-token": _key("hf_", ALNUM, 34),
    "npm-token": _key("npm_", LOWER, 36),
    "npmrc": _named("//registry.npmjs.org/:_authToken={}", LOWER + "-", 36),
    "pypi-token": _key("pypi-AgEIcHlwaS5vcmc", ALNUM + "-_", 90),
    "docker-token": _key("dckr_pat_", ALNUM + "-_", 27 + 4),
    "digitalocean-token": _key("dop_v1_", HEX, 64),
    "sendgrid-key": _key("SG.", ALNUM + "-_", 66),
    "telegram-token": _key("7712345678:AA", ALNUM + "-_", 33),
    "discord-webhook": _key("", ALNUM + "-_", 68, "https://discord.com/api/webhooks/1199999999999999999/{}"),
    "slack-webhook": _key("", ALNUM, 24, "https://hooks.slack.com/services/T00000000/B00000000/{}"),
    "heroku-key": _named("HEROKU_API_KEY={}", HEX, 32),
    "datadog-key": _named("datadog_api_key: {}", LOWER, 40),
    "azure-storage": _named("AccountName=store;AccountKey={}==;EndpointSuffix=core.windows.net", BASE64, 86),
    "private-key": _private_key,
    "private-key-without-end": _cut_private_key,
    "jwt": _jwt,
    "bearer-header": _named("Authorization: Bearer {}", ALNUM + "-_", 40),
    "basic-header": _basic,
    "key-header": _named('headers = {"X-Api-Key": "{}"}', ALNUM, 32),
    "postgres-address": _named("postgres://app:{}@db.internal:5432/prod", PASSWORD, 16),
    "redis-address": _named("REDIS_URL=redis://:{}@cache:6379/0", ALNUM, 20),
    "git-address": _named("git clone https://ci:{}@git.example.com/team/app.git", ALNUM, 24),
    "env-password": _named("DB_PASSWORD={}", PASSWORD, 14),
    "env-secret": _named('export SESSION_SECRET="{}"', ALNUM, 32),
    "env-token": _named("CI_DEPLOY_TOKEN={}", ALNUM, 26),
    "yaml-password": _named("database:\n  user: app\n  password: {}\n  pool: 5", PASSWORD, 14),
    "json-password": _named('{"user": "app", "password": "{}"}', PASSWORD, 14),
    "code-password": _named('connect(user="app", password="{}")', PASSWORD, 14),
    "client-secret": _named('client_secret: "{}"', ALNUM + "~", 40),
    "flag-password": _named("psql-tool --user app --password {} --host db", PASSWORD.replace("-", ""), 14),
    "spoken-password": _named("By the way, the password is {} for now.", ALNUM, 12),
    "query-token": _named("GET https://api.example.com/v1/items?page=2&access_token={}&x=1", ALNUM, 32),
    "signed-address": _named("https://bucket.s3.amazonaws.com/a?X-Amz-Date=20260101&X-Amz-Signature={}", HEX, 64),
    "cookie": _named("Cookie: theme=dark-high-contrast; sid={}", ALNUM, 32),
    "set-cookie": _named("Set-Cookie: session={}; Path=/; HttpOnly", ALNUM + "%._", 48),
    "netrc": _named("machine api.example.com login me password {}", PASSWORD, 14),
    "connection-string": _named("Server=db;Database=prod;User Id=app;Password={};Encrypt=true", PASSWORD, 14),
    "sshpass": _named("sshpass -p '{}' ssh deploy@host", PASSWORD, 12),
    "mysql-flag": _named("mysqldump -u root -p{} prod > dump.sql", ALNUM, 12),
}  # fmt: skip
"""What is planted, by kinds."""


# ------------------------------------------------------------------------------------------------------ what is around

_PROSE: Final = (
    "I looked at the failing test, and the cause is the order in which the workers start.",
    "Now let me update the configuration and run the suite again.",
    "The token bucket refills at 10 a second; the key of the map is the session's id.",
    "This passes a secret handshake in the docs, nothing to worry about: see the author's notes.",
    "Das Passwort wird nie gespeichert – nur sein Hash.",
)
_CODE: Final = (
    "def load(path):\n    with open(path) as file:\n        return json.load(file)\n",
    "const key = items.map((item) => item.id);\nexport const API_VERSION = '2026-01-01';\n",
    "password = getpass.getpass()\ntoken = os.environ['CI_TOKEN']\nmax_tokens: int = 4096\n",
    "for (auto& [key, value] : map) { total += value; }\n",
)


def _surrounded(rng: random.Random, text: str) -> str:
    return rng.choice(
        (
            lambda: f"{rng.choice(_PROSE)}\n\n{text}\n\n{rng.choice(_PROSE)}",
            lambda: f"{rng.choice(_PROSE)}\n\n```sh\n{text}\n```\n",
            lambda: f"$ cat config\n{text}\n$ ls\n",
            lambda: f"{rng.choice(_CODE)}\n# {rng.choice(_PROSE)}\n{text}\n{rng.choice(_CODE)}",
        )
    )()


# --------------------------------------------------------------------------------------------------------------- forms


def _plain(rng: random.Random, text: str) -> list[Any]:
    return [_text(_surrounded(rng, text))]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _call(given: Any) -> dict[str, Any]:
    return {"type": "tool_call", "call_id": "call-1", "name": "Write", "kind": "edit", "title": "Write", "input": given}


def _result(*output: Any) -> dict[str, Any]:
    return {"type": "tool_result", "call_id": "call-1", "is_error": False, "output": list(output)}


def _split(rng: random.Random, text: str) -> list[Any]:
    whole = _surrounded(rng, text)
    start = whole.index(text)
    cuts = sorted(start + rng.randrange(1, len(text)) for _ in range(rng.choice((1, 1, 2))))
    bounds = [0, *dict.fromkeys(cuts), len(whole)]
    return [_text(whole[first:last]) for first, last in pairwise(bounds)]


FORMS: Final[Mapping[str, Callable[[random.Random, str], list[Any]]]] = {
    "text": _plain,
    "tool input": lambda rng, text: [_call({"file_path": "/srv/app/.env", "content": _surrounded(rng, text)})],
    "tool output": lambda rng, text: [_result(_text(_surrounded(rng, text)))],
    "JSON in a string": lambda rng, text: [_result(_text(json.dumps({"stdout": _surrounded(rng, text)})))],
    "JSON in JSON": lambda rng, text: [_text(json.dumps({"body": json.dumps({"log": _surrounded(rng, text)})}))],
    "base64": lambda rng, text: [_text("data: " + b64encode(_surrounded(rng, text).encode()).decode())],
    "base64 in lines": lambda rng, text: [_result(_text(_in_lines(_surrounded(rng, text))))],
    "percent-encoded": lambda _rng, text: [_text("POST /submit\n\nbody=" + quote(f"x={text}\n", safe=""))],
    "split over parts": _split,
    "an unknown part": lambda rng, text: [
        {"type": "unknown", "raw": {"type": "x", "deep": [{"a": _surrounded(rng, text)}]}}
    ],
    "a field's name": lambda _rng, text: [_call({text: 1})],
}
"""Where and how a text may stand in a message."""


def _in_lines(text: str) -> str:
    encoded = b64encode(text.encode()).decode()
    return "\n".join(encoded[place : place + 76] for place in range(0, len(encoded), 76))


@dataclass(frozen=True)
class Sample:
    """An event, and what was planted in it: `kind` and `form` say what and how, `secret` is empty in a look-alike."""

    kind: str
    form: str
    secret: str
    content: list[Any]

    def event(self, seq: int = 0) -> bytes:
        """The event's own bytes."""
        return event_of(self.content, seq)


def event_of(content: list[Any], seq: int = 0) -> bytes:
    """An event's own bytes, as the index keeps them."""
    message = {
        "id": f"m{seq}",
        "session_id": "native-1",
        "role": "assistant",
        "created_at": "2026-03-02T09:00:00Z",
        "content": content,
        "status": "completed",
        "metadata": None,
    }
    event = {"type": "message_completed", "connector_id": "native-1", "message": message}
    return orjson.dumps({"seq": seq, "t_ms": seq * 10, "event": event})


def planted(seed: int, each: int = 1) -> Iterator[Sample]:
    """Every kind in every form, `each` times."""
    rng = random.Random(seed)
    for kind, make in KINDS.items():
        for form, wrap in FORMS.items():
            for _ in range(each):
                made = make(rng)
                yield Sample(kind, form, made.secret, wrap(rng, made.text))


# ---------------------------------------------------------------------------------------------------------- look-alikes


def _uuid(rng: random.Random) -> str:
    digits = draw(rng, HEX, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


LOOKALIKES: Final[Mapping[str, Callable[[random.Random], str]]] = {
    "git log": lambda rng: f"commit {draw(rng, HEX, 40)}\nAuthor: A <a@example.com>\n\n    Fix the key handling\n",
    "git diff": lambda rng: f"diff --git a/x b/x\nindex {draw(rng, HEX, 7)}..{draw(rng, HEX, 7)} 100644\n--- a/x\n",
    "UUIDs": lambda rng: f'{{"id": "{_uuid(rng)}", "parent": "{_uuid(rng)}"}}',
    "SHA-256": lambda rng: f"{draw(rng, HEX, 64)}  dist/app.tar.gz",
    "package-lock": lambda rng: f'"node_modules/keyv": {{"integrity": "sha512-{draw(rng, BASE64, 86)}=="}}',
    "requirements": lambda rng: f"tokenizers==0.20.1 \\\n    --hash=sha256:{draw(rng, HEX, 64)}",
    "go.sum": lambda rng: f"github.com/a/tokens v1.2.3 h1:{draw(rng, BASE64, 43)}=",
    "docker image": lambda rng: f"image: registry.example.com/app@sha256:{draw(rng, HEX, 64)}",
    "picture": lambda rng: "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA" + b64encode(rng.randbytes(600)).decode(),
    "minified code": lambda rng: "".join(
        f"function {draw(rng, string.ascii_letters, 2)}(a){{return {draw(rng, LOWER, 3)}}}"
        for _ in range(20)
    ),
    "password from elsewhere": lambda _rng: 'password = os.environ["DB_PASSWORD"]\napi_key=settings.API_KEY\n',
    "placeholders": lambda _rng: "export API_KEY=your-api-key-here\nPASSWORD=<your password>\nTOKEN=${CI_TOKEN}\n",
    "types": lambda _rng: "def login(user: str, password: str, token: str | None = None) -> Session: ...\n",
    "token counts": lambda rng: f"max_tokens: {rng.randrange(10**5)}, total_tokens={rng.randrange(10**6)}",
    "questions of keys": lambda _rng: "The primary key is (user_id, created_at); press any key: Enter, Tab or Escape.",
    "addresses": lambda rng: f"https://example.com/users/{rng.randrange(10**6)}?page=2&sort=-created_at#section-3",
    "calls of tools": lambda rng: f'{{"id": "toolu_01{draw(rng, ALNUM, 22)}", "type": "tool_use", "name": "Read"}}',
    "a stack trace": lambda rng: f'File "/srv/auth/tokens.py", in refresh_token\n    KeyError: 0x{draw(rng, HEX, 12)}',
    "base64 of prose": lambda rng: b64encode(" ".join(rng.choice(_PROSE) for _ in range(3)).encode()).decode(),
    "public key": lambda rng: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{draw(rng, BASE64, 43)} me@laptop",
    "certificate": lambda rng: "-----BEGIN CERTIFICATE-----\n" + draw(rng, BASE64, 64) + "\n-----END CERTIFICATE-----",
    "HTML": lambda _rng: '<input type="password" name="password" autocomplete="current-password" id="key-field">',
    "translations": lambda _rng: '"password": "Password", "forgot_password": "Forgot your password?", "token": "Token"',
    "shell": lambda _rng: 'read -s PASSWORD; echo "$PASSWORD" | docker login --username app --password-stdin\n',
    "a cookie's law": lambda _rng: "Cookie: a small text that a site keeps; see the cookie banner.",
    "snake case": lambda _rng: "secret_key_rotation_policy_for_authenticated_sessions = rotate_every_ninety_days\n",
}  # fmt: skip
"""What is no secret and looks like one."""


def lookalikes(seed: int, each: int = 1) -> Iterator[Sample]:
    """Every kind of look-alike in the forms in which it may be found, `each` times."""
    rng = random.Random(seed)
    for kind, make in LOOKALIKES.items():
        for form in ("text", "tool input", "tool output", "JSON in a string"):
            for _ in range(each):
                yield Sample(kind, form, "", FORMS[form](rng, make(rng)))
