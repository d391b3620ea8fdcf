"""Run a check in a process of its own, as the runner does, and measure the most memory that it took.

Run as a program, this imports every driver once, then forks for each request that it reads: the memory of a fork is
that of its check.
"""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import checks
from checks.core.finding import Finding, Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from checks.net.endpoint import Endpoint
from checks.object_store.bucket import Bucket
from checks.object_store.client import client
from preflight.config.origin import InFile
from preflight.run.runner import run
from tests.harness.run_check import CheckRun, planned

MIB = 2**20
MOST = 8 * 2**30  # bytes of addresses, so that a fault does not take the machine's memory


@dataclass(frozen=True)
class Measured(CheckRun):
    """The findings of one run, its seconds, its seconds of processor time, and its most memory in MiB."""

    seconds: float
    busy: float
    peak: float


class Measurer:
    """A context manager; its process runs one check at a time."""

    def __enter__(self) -> "Measurer":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.measuring"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def __call__(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        endpoint: Endpoint | None = None,
        extra: Path | None = None,
        timeout: float = 20.0,
    ) -> Measured:
        """Run the check of this name once, at ``endpoint`` if no setting has its address."""
        assert self._process.stdin
        assert self._process.stdout
        address = endpoint and (endpoint.scheme, endpoint.host, endpoint.port, endpoint.path)
        self._process.stdin.write(json.dumps([name, dict(values), address, extra and str(extra), timeout]) + "\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        assert result, "the process had to be killed"
        findings = tuple(_finding(**each) for each in result["findings"])
        return Measured(findings, {}, result["seconds"], result["busy"], result["peak"])


def _finding(layer: str, status: int, fields: list[str], **more: Any) -> Finding:
    return Finding(layer=Layer(layer), status=Status(status), fields=tuple(fields), **more)


def _serve() -> None:
    for kind in checks.load_all():
        for module in kind.imports:
            importlib.import_module(module)
    client(Bucket("b", Endpoint("http", "127.0.0.1", 1), "r", True, "k", "s"))  # loads models, which stay in memory
    for line in sys.stdin:
        if child := os.fork():
            if os.waitpid(child, 0)[1]:
                _send(None)
        else:
            resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
            signal.alarm(60)  # ends it even if the interpreter is blocked
            _send(_measure(*json.loads(line)))
            os._exit(0)


def _send(result: dict[str, Any] | None) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def _measure(
    name: str, values: dict[str, object], address: list[Any] | None, extra: str | None, timeout: float
) -> dict[str, Any]:
    check = planned(name, values)
    if address:
        check = replace(check, endpoint=Endpoint(*address))  # type: ignore[call-arg]
    settings = Settings(Trust(extra and Path(extra)), timeout)
    started, before = time.perf_counter(), time.process_time()
    done = run((check,), settings, deadline=timeout + 5, origins=dict.fromkeys(values, InFile("mistle.toml")))
    seconds, busy = time.perf_counter() - started, time.process_time() - before
    findings = [asdict(finding) for finding in done.results[0].findings]
    return {"findings": findings, "seconds": seconds, "busy": busy, "peak": _peak()}


def _peak() -> float:
    """In MiB. Not ru_maxrss, which begins with the memory of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / MIB


if __name__ == "__main__":
    _serve()
