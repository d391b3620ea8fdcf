"""Writes a report into a file, which appears whole or is overwritten in place, or into a device or a pipe."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from contextlib import suppress
from pathlib import Path

from checks.core.files import within

PRIVATE = 0o600
# Written through the descriptor: where it is a file, to open that again would overwrite what others wrote there.
STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_MOMENT = 0.2  # seconds in which a pipe's reader is reported
_SECONDS = 5.0  # for a mount that is slow
_LINKS = 40  # as many as Linux follows
_IN_PLACE = frozenset({errno.EACCES, errno.EROFS, errno.EBUSY})  # a read-only folder, a file that is a mount


def write_file(file: Path, content: bytes, *, mode: int, end: float) -> None:
    """Write the content. ``mode`` is that of a new file. Raises OSError.

    It gives up at ``end`` (monotonic): the reader of a pipe, or the server of a mount, may not take the content.
    """
    within(end - time.monotonic() + _MOMENT, lambda: _write_file(file, content, mode, end))


def _write_file(file: Path, content: bytes, mode: int, end: float) -> None:
    if (descriptor := STANDARD.get(str(file))) is not None:
        write_until(descriptor, content, end)
        return
    target = followed(file)
    if file.exists() and not file.is_file():
        _write_stream(file, content, end)
        return
    try:
        _replace(target, content, mode)
    except OSError as error:
        if error.errno not in _IN_PLACE or not target.is_file():
            raise
        _overwrite(target, content)


def is_writable(file: Path) -> bool:
    """Whether a report can probably be written there. Blocks for a few seconds at most."""
    try:
        return within(_SECONDS, lambda: _is_writable(file))
    except (OSError, ValueError):  # the name is empty or too long, or a directory may not be searched
        return False


def _is_writable(file: Path) -> bool:
    if str(file) in STANDARD:
        return True
    target = followed(file)
    if file.exists() and not file.is_file():
        return not file.is_dir()
    in_place = target.is_file() and not _takes_files(target.parent)
    return os.access(target if in_place else target.parent, os.W_OK)


def followed(file: Path) -> Path:
    """The path with all symbolic links resolved.

    Raises OSError for too many links, and for a link that another user put into a folder that all may write to, as
    Linux does if fs.protected_symlinks is set: it could lead to a file that only this user may write.
    """
    resolved, ahead, links = Path("/"), [*reversed(file.absolute().parts)], 0
    while ahead:
        step = ahead.pop()
        entry = resolved.parent if step == ".." else resolved / step
        if entry.is_symlink():
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            _expect_trusted(entry)
            ahead += reversed(entry.readlink().parts)
        else:
            resolved = entry
    if resolved.is_fifo():
        _expect_trusted(resolved)
    return resolved


def _expect_trusted(entry: Path) -> None:
    folder = entry.parent.stat()
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if shared and entry.lstat().st_uid not in {os.geteuid(), folder.st_uid}:
        raise OSError(errno.EACCES, "another user's link or pipe, in a folder that all may write to")


def _takes_files(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


def _replace(file: Path, content: bytes, mode: int) -> None:
    import tempfile  # 18 ms, and most reports go to standard output

    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:99]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if mode != PRIVATE:  # the mode that mkstemp uses
                os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _overwrite(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _write_stream(file: Path, content: bytes, end: float) -> None:
    """To open a pipe without a reader would wait for ever; with O_NONBLOCK it raises an error."""
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
        with suppress(BlockingIOError):  # another writer filled the pipe
            left = left[os.write(descriptor, left[: select.PIPE_BUF]) :]  # a pipe that is ready takes that much at once
