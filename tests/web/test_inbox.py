from __future__ import annotations

import asyncio

import pytest

from scrollcast.web.inbox import Inbox


async def test_messages_come_in_order() -> None:
    """Those that wait, and those that are waited for."""
    inbox = Inbox()
    assert inbox.empty()
    inbox.put_nowait(1)
    inbox.put_nowait(2)
    assert not inbox.empty()
    assert [await inbox.get(), await inbox.get()] == [1, 2]
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(3)
    inbox.put_nowait(4)
    assert await waiting == 3
    assert await inbox.get() == 4
    assert inbox.empty()


async def test_a_message_that_comes_as_waiting_is_given_up_is_there_for_the_next() -> None:
    """Whichever of the two is first."""
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait("kept")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await inbox.get() == "kept"

    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    waiting.cancel()
    inbox.put_nowait("also")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await inbox.get() == "also"
