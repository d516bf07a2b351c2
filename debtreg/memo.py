"""What a page has read once already: while it is shown, the same question has the same answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_kept: ContextVar[defaultdict[str, dict[Any, Any]] | None] = ContextVar("kept", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Around something that only reads. What changes anything must not rely on what it read."""
    token = _kept.set(defaultdict(dict))
    try:
        yield
    finally:
        _kept.reset(token)


def kept(what: str) -> dict[Any, Any]:
    """The answers of that kind that this look has had so far; outside of one, none are kept."""
    look = _kept.get()
    return {} if look is None else look[what]
