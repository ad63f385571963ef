"""OpenTelemetry spans, where its library is installed (`pip install scrollcast[tracing]`).

Scrollcast makes spans and nothing else: what collects them and where they go is set up by whoever runs it. Without the
library, or with nothing set up, they cost next to nothing, and nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

try:
    from opentelemetry import trace
except ImportError:
    trace = None  # type: ignore[assignment]

__all__ = ["Note", "span"]

Note: TypeAlias = Callable[..., None]
"""Adds facts to a span."""


@contextmanager
def span(name: str, **facts: str | int | float | bool) -> Iterator[Note]:
    """What happens in the block, as a span `scrollcast.<name>` with these facts.

    An error that ends the block is told by its class alone: what it says may hold a path or a word of a session.
    """
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nothing is set up
        yield _nothing
        return
    attributes = _named(facts)
    tracer = trace.get_tracer("scrollcast")
    with tracer.start_as_current_span(
        f"scrollcast.{name}", attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield lambda **more: begun.set_attributes(_named(more))
        except BaseException as problem:
            begun.set_attribute("error.type", type(problem).__name__)
            if isinstance(problem, Exception):
                begun.set_status(trace.StatusCode.ERROR)
            raise


def _named(facts: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
    return {f"scrollcast.{name}": value for name, value in facts.items()}


def _nothing(**_facts: object) -> None:
    pass
