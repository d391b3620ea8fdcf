"""Waits for an event, not for a second."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LIMIT = 60.0
"""Seconds for what takes one or two."""


def until(read: Callable[[], T]) -> T:
    """What `read` returns as soon as it is true."""
    ends = time.monotonic() + LIMIT
    while not (value := read()):
        assert time.monotonic() < ends
        time.sleep(0.01)
    return value


def settled(read: Callable[[], T], expected: object) -> T:
    """What `read` returns as soon as it is as expected, or at the end of the limit."""
    ends = time.monotonic() + LIMIT
    while (value := read()) != expected and time.monotonic() < ends:
        time.sleep(0.1)
    return value
