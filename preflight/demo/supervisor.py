"""The process that holds the demo's servers. When its standard input closes, all of them end and nothing is left.

The command starts it with a pipe: the pipe closes when the command ends, whatever ended it, SIGKILL too.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn


def main(names: list[str]) -> NoReturn:
    """Start the demo with these faults, say so on standard output, and wait. One JSON object a line."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    folder = Path(mkdtemp(prefix="mistle-preflight-demo-"))
    stop = [lambda: shutil.rmtree(folder, ignore_errors=True)]
    try:
        threading.Thread(target=_start, args=(folder, names, stop), daemon=True).start()
        sys.stdin.buffer.read()
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        for each in reversed(stop):
            each()
        os._exit(0)


def _start(folder: Path, names: list[str], stop: list) -> None:  # type: ignore[type-arg]
    from preflight.demo.deployment import deployment

    folder.chmod(0o711)  # the user that Postgres runs as has to enter it
    made = deployment(folder, names, lambda part: _tell(starting=part))
    stop.append(made.processes.stop)
    loop = asyncio.new_event_loop()
    try:
        file = loop.run_until_complete(made.start())
        _tell(config=str(file), ca_file=str(folder / "ca.pem"))
        loop.run_forever()
    except Exception as error:
        _tell(error=str(error) or repr(error))
        raise


def _tell(**message: str) -> None:
    with suppress(OSError):
        print(json.dumps(message), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
