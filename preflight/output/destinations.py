"""Where a report is put: into a file, which appears whole, or can only be written in place; into a device or a pipe."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600
_LINKS = 40  # as many as Linux follows
_IN_PLACE = frozenset({errno.EACCES, errno.EROFS, errno.EBUSY})  # a folder that takes no file, a file that is a mount


def put(file: Path, content: bytes, *, mode: int, end: float) -> None:
    """Write it. A new file has the mode; a device or a pipe takes all until ``end`` (monotonic). Raises OSError."""
    place = followed(file)
    if file.exists() and not file.is_file():
        _pour(file, content, end)
        return
    try:
        _replace(place, content, mode)
    except OSError as error:
        if error.errno not in _IN_PLACE or not place.is_file():
            raise
        _overwrite(place, content)


def is_writable(file: Path) -> bool:
    """Whether a report could be put there, as far as can be told before."""
    try:
        place = followed(file)
        if file.exists() and not file.is_file():
            return not file.is_dir()
        return os.access(place if place.is_file() and not _takes_files(place.parent) else place.parent, os.W_OK)
    except (OSError, ValueError):  # a name that is too long or none at all, a directory that may not be searched
        return False


def followed(file: Path) -> Path:
    """Where its links lead.

    Raises OSError for too many, and for one that another user put into a folder that all may write to, as Linux does
    where fs.protected_symlinks is set: it could lead to what only this user may write.
    """
    place, ahead, links = Path("/"), [*reversed(file.absolute().parts)], 0
    while ahead:
        step = ahead.pop()
        here = place.parent if step == ".." else place / step
        if here.is_symlink():
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            _expect_trusted(here)
            ahead += reversed(here.readlink().parts)
        else:
            place = here
    if place.is_fifo():
        _expect_trusted(place)
    return place


def _expect_trusted(entry: Path) -> None:
    folder = entry.parent.stat()
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if shared and entry.lstat().st_uid not in {os.geteuid(), folder.st_uid}:
        raise OSError(errno.EACCES, "another user's link or pipe, in a folder that all may write to")


def _takes_files(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _replace(place: Path, content: bytes, mode: int) -> None:
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:99]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if mode != PRIVATE:  # which is how mkstemp makes it
                os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _overwrite(place: Path, content: bytes) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _pour(file: Path, content: bytes, end: float) -> None:
    """To open a pipe that nobody reads would wait for ever: without waiting, that is an error."""
    descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        write_until(descriptor, content, end)
    finally:
        os.close(descriptor)


def write_until(descriptor: int, content: bytes, end: float) -> None:
    """Write all of it before ``end`` (monotonic), also where a write would wait for the reader. Raises OSError."""
    ready, left = select.poll(), memoryview(content)
    ready.register(descriptor, select.POLLOUT)
    while left:
        if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
            raise OSError(errno.ETIMEDOUT, "its reader does not take it in time")
        with suppress(BlockingIOError):  # another writer was faster
            left = left[os.write(descriptor, left[: select.PIPE_BUF]) :]  # a pipe that is ready takes that much at once
