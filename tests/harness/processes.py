"""The command as a process of its own, in an environment that holds nothing but what a test gives it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mistle.toml"
ENTRY = "from preflight.cli.main import entry; entry()"


class Ended(NamedTuple):
    """The exit code and the output of a process that has ended."""

    code: int
    stdout: str
    stderr: str


def preflight(
    *arguments: object,
    env: Mapping[str, str] = {},
    cwd: Path | None = None,
    before: str = "",
    flags: tuple[str, ...] = (),
) -> Ended:
    """Run the command. ``before`` is code that breaks something in the process first; ``flags`` are Python's own."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", f"{before}\n{ENTRY}", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env},
        cwd=cwd,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
