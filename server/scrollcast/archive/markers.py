"""The markers of a session as they lie in its index: a JSON array, made by `event_writer`."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["thin_tools"]

TOOL: Final = re.compile(rb'(?<=[\[,])\{"seq":\d+,"t_ms":-?\d+,"kind":"tool","label":"(?:[^"\\]|\\.)*"\},?')
"""A tool's marker with the comma behind it. No label can hold one: its quotes are escaped."""


def thin_tools(markers: bytes, tools: int, most: int) -> bytes:
    """The same array with at most `most` of its `tools` markers of tools, spread evenly over them.

    Works on the bytes, marker by marker: decoding them all in one step would keep every stream of the process waiting.
    """
    number = -1

    def keep(found: re.Match[bytes]) -> bytes:
        nonlocal number
        number += 1
        return found[0] if (number + 1) * most // tools > number * most // tools else b""

    thinned = TOOL.sub(keep, markers)
    return thinned[:-2] + b"]" if thinned.endswith(b",]") else thinned
