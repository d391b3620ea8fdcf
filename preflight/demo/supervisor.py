"""The process that holds the demo's servers. When its standard input closes, all of them end and nothing is left.

The command starts it with a pipe, which closes when the command ends, whatever ended it: SIGKILL too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from preflight.demo.processes import DemoError, Processes

KEEP = b"keep"  # the command's order to stay up after its end
_PREFIX = "mistle-preflight-demo-"
_LONGEST = 103 - len(f"/{_PREFIX}12345678/docker.sock")  # bytes; macOS allows 103 for the path of a socket, Linux 107
_TRIES = 600  # of 0.05 s: a program that was killed may take its time to end
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def main(names: list[str]) -> NoReturn:
    """Start the demo with these faults, report on standard output, a JSON object a line, and wait for the end."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: sys.exit())
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
    tempfile.tempdir = str(folder)  # packages make temporary files too, one with a key
    processes = Processes(folder)
    try:
        threading.Thread(target=_start, args=(processes, names), daemon=True).start()
        if sys.stdin.buffer.read() == KEEP:
            threading.Event().wait()  # for a signal
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        processes.stop()
        _remove(folder)
        os._exit(0)


def _remove(folder: Path) -> None:
    """Remove it again while files are left: the servers of this process may still write."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _place() -> str:
    """The folder for temporary files.

    ``/tmp`` if its path is too long for the socket's, or, as root, if the user that Postgres runs as may not enter it.
    """
    place = Path(tempfile.gettempdir()).resolve()
    is_open = os.geteuid() or all(each.stat().st_mode & stat.S_IXOTH for each in (place, *place.parents))
    is_usable = is_open and len(os.fsencode(place)) <= _LONGEST
    return str(place) if is_usable else "/tmp"  # noqa: S108 - mkdtemp makes a folder with a random name in it


def _start(processes: Processes, names: list[str]) -> None:
    warnings.simplefilter("ignore")
    logging.disable()  # the servers would only log the probes
    try:
        _require_account()
        from preflight.demo.deployment import DemoDeployment

        processes.folder.chmod(0o711)  # for the user that Postgres runs as
        made = DemoDeployment(processes, tuple(names), lambda part: _report(starting=part))
        loop = asyncio.new_event_loop()
        file = loop.run_until_complete(made.start())
        _report(config=str(file), ca_file=str(made.ca_file))
        loop.run_forever()
    except Exception as error:
        _report(error=str(error) if isinstance(error, DemoError | OSError) else repr(error))


def _require_account() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise DemoError(f"user {os.geteuid()} has no entry in /etc/passwd, and Postgres needs one") from None


def _report(**message: str) -> None:
    with suppress(OSError):  # the command has ended
        sys.stdout.write(f"{json.dumps(message)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
