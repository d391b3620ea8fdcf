"""Reads files within a time limit and a size limit, whatever kind of file a name leads to."""

from __future__ import annotations

import errno
import os
import select
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

T = TypeVar("T")
_CHUNK = 1 << 16  # bytes
_TOO_LATE = "could not be read to its end in time"


class UnreadableFile(Exception):
    """A file cannot be read, or holds no certificates. The message is to follow the file's name: ``is a directory``.

    It does not quote the file's contents.
    """


def read(source: Path | int, max_bytes: int, seconds: float) -> bytes:
    """The contents of a file or a pipe, at most ``max_bytes``. Blocks for up to ``seconds``.

    An integer is an open descriptor, which stays open. Raises UnreadableFile.
    """
    end = time.monotonic() + seconds
    try:
        return within(seconds, lambda: _contents(source, max_bytes, end))
    except TimeoutError:
        raise UnreadableFile(_TOO_LATE) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise UnreadableFile(f"cannot be read: {reason}") from error


def within(seconds: float, work: Callable[[], T]) -> T:
    """What the work, which uses files, returns or raises. Raises TimeoutError after ``seconds``.

    If the server of a mount is down, every call blocks for ever; only a daemon thread can be abandoned.
    """
    outcomes: list[tuple[T, None] | tuple[None, BaseException]] = []

    def run() -> None:
        try:
            outcomes.append((work(), None))
        except BaseException as error:
            outcomes.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if not outcomes:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    result, error = outcomes[0]
    if error is not None:
        raise error
    return cast("T", result)


def _contents(source: Path | int, max_bytes: int, end: float) -> bytes:
    descriptor = os.dup(source) if isinstance(source, int) else _open(source)
    try:
        content = bytearray()
        while chunk := _chunk(descriptor, end):
            content += chunk
            if len(content) > max_bytes:
                raise UnreadableFile(f"is larger than {_size_text(max_bytes)}")
        return bytes(content)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    _expect_file(path.stat().st_mode)  # before the open: opening a device may have effects
    # O_NONBLOCK: opening a pipe does not wait for a writer; _chunk waits for one.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _expect_file(os.fstat(descriptor).st_mode)  # the name may lead to another file by now
    except UnreadableFile:
        os.close(descriptor)
        raise
    return descriptor


def _expect_file(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UnreadableFile("is a directory")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise UnreadableFile("is neither a file nor a pipe")


def _chunk(descriptor: int, end: float) -> bytes:
    """The next bytes; none at the end of the file."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
        raise UnreadableFile(_TOO_LATE)
    return os.read(descriptor, _CHUNK)


def _size_text(size: int) -> str:
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"
