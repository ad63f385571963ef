"""permessage-deflate (RFC 7692): for whom it is agreed on, and how.

Neither side keeps anything from one message to the next, so that a message can be put together from pieces that were
compressed for others (`stream/packed_runs.py`), and a connection holds no memory for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from starlette.types import Scope
from websockets.exceptions import NegotiationError, PayloadTooBig
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.typing import ExtensionParameter

from scrollcast.settings import Settings
from scrollcast.stream.wire import MAX_COMMAND_BYTES
from scrollcast.web.door import is_local

__all__ = ["Compression", "SharedDeflate", "SharedDeflateFactory"]

MAX_INFLATED_BYTES: Final = 2 * MAX_COMMAND_BYTES
"""So much may become of the messages that are taken from a client at once, all together: a few bytes can be a message
of any length, and hundreds of those would wait for their turn."""


class Compression:
    """Whether messages to a client are compressed, where it offers that."""

    def __init__(self, settings: Settings) -> None:
        self._mode = settings.compression
        self._has_proxy = settings.has_proxy

    def is_for(self, scope: Scope) -> bool:
        """By `--compression`; `auto` is all but this machine, to which bytes are cheaper than the processor time."""
        if self._mode != "auto":
            return self._mode == "on"
        return self._has_proxy or not is_local(scope)


class SharedDeflate(PerMessageDeflate):
    """The extension on one connection. It inflates what comes, and leaves alone what is sent: whoever has something
    compressed writes that frame itself."""

    def __init__(self, client_window_bits: int) -> None:
        super().__init__(True, True, client_window_bits, zlib.MAX_WBITS)
        self.inflated = 0
        """Bytes that came of what was read; set back before each read."""

    def encode(self, frame: Frame) -> Frame:
        """As it is, which may be said of each message."""
        return frame

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Inflate one frame.

        Raises:
            PayloadTooBig: it is longer than a message may be, or comes with too much else.
            ProtocolError: it is not what it says that it is.
        """
        decoded = super().decode(frame, max_size=max_size)
        if decoded is not frame:
            self.inflated += len(decoded.data)
            if self.inflated > MAX_INFLATED_BYTES:
                raise PayloadTooBig(self.inflated, MAX_INFLATED_BYTES)
        return decoded


class SharedDeflateFactory(ServerPerMessageDeflateFactory):
    """Agrees on the extension with clients that can look back as far as what is compressed for all refers."""

    def __init__(self) -> None:
        super().__init__(server_no_context_takeover=True, client_no_context_takeover=True)

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """The answer to one offer.

        Raises:
            NegotiationError: it is declined.
        """
        answer, agreed = super().process_request_params(params, accepted_extensions)
        if agreed.local_max_window_bits < zlib.MAX_WBITS:
            raise NegotiationError("messages need the whole window")
        return answer, SharedDeflate(agreed.remote_max_window_bits)
