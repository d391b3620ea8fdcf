"""What a run imports, and when: an import blocks every check that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.descriptors import ROWS

EXAMPLE = str(Path(__file__).parents[2] / "examples/mistle.toml")
ON_THE_CLOCK = """
import json, sys
from importlib import import_module
from tests.harness import faults
from checks.core.recorder import Settings
from checks.core.roots import Trust
from tests.harness.run_check import planned
from preflight.run.runner import run
with faults.garbage_port(faults.HTTP_REPLY) as port:  # sent at once: some clients wait for a greeting
    place = lambda value: value.format(host="127.0.0.1", place=port) if isinstance(value, str) else value
    plain = json.loads(sys.argv[1])
    checks = tuple(planned(name, {key: place(value) for key, value in values.items()}) for name, values in plain)
    for module in {module for check in checks for module in check.imports}:
        import_module(module)
    before = {*sys.modules}
    run(checks, Settings(Trust(), 10.0), deadline=20.0, origins={})
    print(*{name.partition(".")[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names})
"""


def test_drivers_are_imported_before_any_clock_starts() -> None:
    root = Path(__file__).parents[2]
    # The rows are given, not imported: the modules that they stand in import drivers themselves.
    plain = json.dumps([(row.check, dict(row.settings)) for row in ROWS if not row.tls and not row.is_local])
    command = [sys.executable, "-c", ON_THE_CLOCK, plain]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    # Which of its backends anyio takes, it finds out when it runs.
    assert {*done.stdout.split()} <= {"anyio", "sniffio"}


def imported(*arguments: str) -> set[str]:
    """The modules that a command imports, with those of its child."""
    command = [sys.executable, "-X", "importtime", "-m", "preflight", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=False)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.split("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (("--version",), 150),
        (("config", "--config", EXAMPLE), 260),
        (("plan", "--config", EXAMPLE), 450),
        (("explain", "network.far"), 450),
        (("watch", "--config", "-"), 365),
        (("--config", EXAMPLE, "--only", "postgres*", "--timeout", "1"), 600),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_command_imports_few_modules(arguments: tuple[str, ...], most: int) -> None:
    """A third more than measured: each module takes half a millisecond of every start."""
    modules = imported(*arguments)
    assert 40 < len(modules) <= most


def test_run_imports_the_drivers_of_its_checks_alone() -> None:
    modules = imported("--config", EXAMPLE, "--only", "postgres*", "--timeout", "1")
    packages = {name.partition(".")[0] for name in modules}
    assert "psycopg" in packages
    assert not {"redis", "boto3", "docker", "httpx", "websockets", "aiosmtplib", "e2b", "jwt"} & packages
