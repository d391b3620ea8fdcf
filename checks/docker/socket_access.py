"""The layer below the SDK: the path is a socket, this user may open it, and a server listens on it."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from checks.core.finding import Diagnosed
from checks.core.loop import waits
from checks.core.text import foreign
from checks.docker import causes, remedies
from checks.net.addresses import MACHINE_LIMITS

_LONGEST = 107  # bytes: sun_path without its final zero

# By the error of a path that cannot be opened; after any other error, a socket exists and does not work.
_CAUSES = {
    errno.ENOENT: causes.SOCKET_MISSING,
    errno.ENOTDIR: causes.SOCKET_MISSING,
    errno.ELOOP: causes.SOCKET_MISSING,
    errno.ENAMETOOLONG: causes.SOCKET_MISSING,
    errno.EACCES: causes.PERMISSION_DENIED,
    errno.EPERM: causes.PERMISSION_DENIED,
    errno.ECONNREFUSED: causes.DAEMON_DOWN,
    errno.EPROTOTYPE: causes.NOT_A_SOCKET,
    errno.EAGAIN: causes.SILENT,
    errno.ETIMEDOUT: causes.SILENT,
}


def open_socket(path: str, limit: float) -> None:
    """Open the socket and close it. Raises Diagnosed, and the OSError of a machine that lacks descriptors or memory."""
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISSOCK(mode):
            raise Diagnosed(causes.NOT_A_SOCKET.diagnosis(f"{path} is a {_kind(mode)}"))
        if len(os.fsencode(path)) > _LONGEST:
            raise Diagnosed(
                causes.NOT_A_SOCKET.diagnosis(f"{path} is longer than {_LONGEST} bytes: no program can open it")
            )
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(limit)
            with waits.one_wait():
                connection.connect(path)
    except TimeoutError as error:
        raise Diagnosed(causes.SILENT.diagnosis(f"{path} does not accept a connection in time")) from error
    except ValueError as error:  # a zero byte in the path
        raise Diagnosed(causes.SOCKET_MISSING.diagnosis(f"no file can be named so: {foreign(str(error))}")) from error
    except OSError as error:
        if error.errno in MACHINE_LIMITS:
            raise
        raise _diagnosed(path, error) from error


def _diagnosed(path: str, error: OSError) -> Diagnosed:
    cause = _CAUSES.get(error.errno or 0, causes.DAEMON_DOWN)
    if cause is causes.PERMISSION_DENIED:
        return Diagnosed(
            cause.diagnosis(
                f"{path}: {foreign(str(error.strerror))}: {_owner(path)}; this process is user {os.geteuid()}",
                remedies=remedies.join_group(path),
            )
        )
    if cause is causes.SILENT:
        return Diagnosed(cause.diagnosis(f"{path} accepts no more connections: its queue is full"))
    return Diagnosed(cause.diagnosis(f"{path}: {_link(path)}{foreign(str(error.strerror))}", hint=_hint(path)))


def _kind(mode: int) -> str:
    kinds = (("directory", stat.S_ISDIR), ("file", stat.S_ISREG), ("pipe", stat.S_ISFIFO))
    return next((name for name, is_one in kinds if is_one(mode)), "device")


def _owner(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return "a directory above it may not be entered"
    group = str(status.st_gid)
    with suppress(KeyError):
        group = f"{foreign(grp.getgrgid(status.st_gid).gr_name)} ({group})"
    return f"its mode is {stat.S_IMODE(status.st_mode):04o}, its owner user {status.st_uid}, its group {group}"


def _link(path: str) -> str:
    with suppress(OSError):
        return f"a link to {foreign(str(Path(path).readlink()))}: "
    return ""


def _hint(path: str) -> str | None:
    if path.startswith("unix:"):
        return "write the path alone in {socket_path}, without unix://"
    if "://" in path:
        return "Mistle connects to Docker over a Unix socket only: write its path in {socket_path}"
    return None
