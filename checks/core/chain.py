"""An error, and those that it came from, through every driver that wrapped them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error itself first, then its causes, nearest first; those of a group one after the other."""
    met: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and id(link) not in met:
            met.add(id(link))
            yield link
            waiting += [link.__cause__ or _translated(link), *reversed(_members(link))]


def _translated(error: BaseException) -> BaseException | None:
    """The error in whose place a driver raised this one without naming it as the cause.

    An exception of Python's own, such as NameError, translates nothing: it is a bug that was met on the way.
    """
    is_pythons = type(error).__module__ == "builtins" and not isinstance(error, OSError | EOFError)
    return None if is_pythons or error.__suppress_context__ else error.__context__


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()
