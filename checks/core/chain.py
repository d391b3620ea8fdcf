"""An error and its causes, through every driver that wrapped them."""

from __future__ import annotations

from collections.abc import Iterator


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error itself, then its causes, nearest first; the errors of a group one after the other."""
    seen: set[int] = set()
    pending = [error]
    while pending:
        link = pending.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            pending += [link.__cause__ or _translated(link), *reversed(_members(link))]


def _translated(error: BaseException) -> BaseException | None:
    """The error that a driver replaced by this one, without naming it as the cause.

    A built-in exception, such as NameError, replaces no error: it is a bug in the code that handled one.
    """
    is_builtin = type(error).__module__ == "builtins" and not isinstance(error, OSError | EOFError)
    return None if is_builtin or error.__suppress_context__ else error.__context__


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()
