"""Files that are read: each within a time and up to a size, whatever its name leads to."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from pathlib import Path

_CHUNK = 1 << 16  # bytes
_LATE = "could not be read to its end in time"


class UnreadableFile(Exception):
    """The message follows the file's name: ``is a directory``. It holds nothing of the file's contents."""


def read(source: Path | int, most: int, seconds: float) -> bytes:
    """The contents of a file or a pipe, at most ``most`` bytes, which come within ``seconds``. Blocks that long.

    A number is an open descriptor, which stays open. Raises UnreadableFile.
    """
    found: list[bytes | UnreadableFile] = []
    end = time.monotonic() + seconds

    def work() -> None:
        try:
            found.append(_contents(source, most, end))
        except UnreadableFile as error:
            found.append(error)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
            found.append(UnreadableFile(f"cannot be read: {str(getattr(error, 'strerror', None) or error).lower()}"))

    # Where the server of a mount is gone, every call blocks for ever: only a thread can be left behind.
    reader = threading.Thread(target=work, daemon=True)
    reader.start()
    reader.join(max(seconds, 0.0))
    outcome = found[0] if found else UnreadableFile(_LATE)
    if isinstance(outcome, UnreadableFile):
        raise outcome
    return outcome


def _contents(source: Path | int, most: int, end: float) -> bytes:
    descriptor = os.dup(source) if isinstance(source, int) else _opened(source)
    try:
        content = bytearray()
        while chunk := _chunk(descriptor, end):
            content += chunk
            if len(content) > most:
                raise UnreadableFile(f"is larger than {_shown(most)}")
        return bytes(content)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    _expect_file(path.stat().st_mode)  # to open a device may do something
    # A pipe is opened at once, whether it has a writer or not: for that one, _chunk waits.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _expect_file(os.fstat(descriptor).st_mode)  # something else may have taken its place
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
    """What is there to be read, nothing at the end."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if not waiting.poll(max(0.0, end - time.monotonic()) * 1000):
        raise UnreadableFile(_LATE)
    return os.read(descriptor, _CHUNK)


def _shown(size: int) -> str:
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"
