"""Debian's Firefox, without a driver between: it speaks WebDriver BiDi itself, over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_SECONDS: Final = 60.0
"""Longer than a start takes on a machine that is busy; what waits for so long has failed."""

LOOK_MS: Final = 50
"""So often the page is looked at for what is waited for."""

ARROW_DOWN: Final = "\ue015"
ENTER: Final = "\ue007"
"""Keys that are no characters, as WebDriver writes them."""

_ADDRESS: Final = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


def firefox() -> str | None:
    """The browser that `FIREFOX` names, else the one that is installed; `None` where there is none."""
    names = (os.environ.get("FIREFOX"), "firefox-esr", "firefox")
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


class Firefox:
    """One tab of a Firefox, and what it complained of."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self._tab = ""
        self.complaints: list[str] = []

    async def begin(self) -> None:
        """A session of the protocol; its first tab."""
        await self._command("session.new", capabilities={})
        await self._command("session.subscribe", events=["log.entryAdded"])
        tree = await self._command("browsingContext.getTree")
        self._tab = tree["contexts"][0]["context"]

    async def open(self, url: str) -> None:
        """Go there, and wait until the page is loaded."""
        await self._command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def value(self, expression: str) -> Any:
        """What JavaScript says in the page; JSON only."""
        return await self._value(f"async () => ({expression})")

    async def until(self, expression: str) -> Any:
        """Wait until that is something, and say what."""
        look = f"() => {{ const now = ({expression}); return now ? resolve(now) : setTimeout(look, {LOOK_MS}); }}"
        try:
            return await self._value(f"() => new Promise((resolve) => {{ const look = {look}; look(); }})")
        except TimeoutError:
            raise AssertionError(f"never came true: {expression}") from None

    async def _value(self, function: str) -> Any:
        expression = f"({function})().then((value) => JSON.stringify(value) ?? 'null')"
        target = {"context": self._tab}
        answer = await self._command("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return orjson.loads(answer["result"]["value"])

    async def press(self, keys: str) -> None:
        """Press some keys, one after another, as a keyboard does."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        await self._command("input.performActions", context=self._tab, actions=[source])

    async def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send(orjson.dumps({"id": self._asked, "method": method, "params": parameters}).decode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (said := orjson.loads(await self._socket.recv())).get("id") != self._asked:
                self._heard(said)
        assert said["type"] == "success", (method, said)
        result: dict[str, Any] = said["result"]
        return result

    def _heard(self, said: dict[str, Any]) -> None:
        entry = said.get("params", {})
        if said.get("method") == "log.entryAdded" and entry.get("level") in ("error", "warn"):
            self.complaints.append(f"{entry['level']}: {entry.get('text')}")


@asynccontextmanager
async def running(path: str, profile: Path) -> AsyncIterator[Firefox]:
    """A Firefox with a profile of its own, which ends with the block."""
    arguments = ("--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile))
    environment = {**os.environ, "HOME": str(profile)}
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(path, *arguments, stdout=nothing, stderr=pipe, env=environment)
    reading: asyncio.Task[bytes] | None = None
    try:
        assert child.stderr is not None
        address = await _address(child.stderr)
        reading = asyncio.create_task(child.stderr.read())  # what it goes on to say must not fill the pipe
        async with connect(f"{address}/session", max_size=None) as socket:
            browser = Firefox(socket)
            await browser.begin()
            yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()
        if reading is not None:
            await reading


async def _address(said: asyncio.StreamReader) -> str:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := await said.readline():
            if found := _ADDRESS.search(line.decode(errors="replace")):
                return found[1]
    raise AssertionError("Firefox ended before it listened")
