"""The server opens no connection of its own: it looks up no name, and sends nothing to anybody who did not ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from archives import SCROLL_ID, write_session
from serving import Child, talk

WATCHED = """
import ipaddress, os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple):
            os.write(2, f"{event} {address}\\n".encode())
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        try:
            ipaddress.ip_address(arguments[0])
        except ValueError:
            os.write(2, f"{event} {arguments[0]}\\n".encode())
    elif event == "urllib.Request":
        os.write(2, f"{event} {arguments[0]}\\n".encode())

sys.addaudithook(note)
from scrollcast.cli import main
sys.exit(main())
"""
"""Python tells of each connection before it is made, whichever module makes it."""


async def test_the_server_opens_no_connection(root: Path, tmp_path: Path) -> None:
    """While it finds sessions, lists, searches, plays and exports them, shares one, and stops."""
    write_session(root, talk(50))
    with Child(tmp_path, "serve", root, "--port", "0", "--keep", start=("-c", WATCHED)) as child:
        server = await asyncio.to_thread(child.serving)
        process = psutil.Process(child.process.pid)
        async with server.http() as http, server.watch(follow="true") as client:
            session = f"/api/sessions/{SCROLL_ID}"
            embedded = f"/oembed?url={server.url}/sessions/{SCROLL_ID}"
            for path in ("/", "/api/sessions?q=it", f"{session}/timeline", f"{session}/export", embedded, "/readyz"):
                assert (await http.get(path)).status_code in (200, 503)
            await client.read_events(50)
            own = [process, *process.children(recursive=True)]
            ends = {end.laddr.port for each in own for end in each.net_connections("inet")}
        status, _, err, _ = await asyncio.to_thread(child.stop)

    assert (status, err) == (0, "")
    assert ends == {server.port}


def test_the_audit_would_tell(tmp_path: Path) -> None:
    """Of a program that does open one."""
    with Child(tmp_path, "record", "http://127.0.0.1:9/sessions/x", "-o", "out", start=("-c", WATCHED)) as child:
        _, err = child.process.communicate()

    assert "socket.connect ('127.0.0.1', 9)" in err
