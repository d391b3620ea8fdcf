"""What a run imports, and when: an import blocks every check that runs."""

import subprocess
import sys
from pathlib import Path

ON_THE_CLOCK = """
import sys
from importlib import import_module
sys.path.append("tests")
from tests.harness import faults, socket_faults
from checks.core.check import Settings
from checks.core.roots import Trust
from tests.harness.fault_rows import ROWS
from preflight.run.runner import run
plain = [row for row in ROWS if not row.tls and not row.is_local]
with faults.http_port() as port:
    checks = tuple(row.at("127.0.0.1", port) for row in plain)
    for module in {module for check in checks for module in check.imports}:
        import_module(module)
    before = {*sys.modules}
    run(checks, Settings(Trust(), 10.0), deadline=20.0, origins={})
    print(*{name.partition(".")[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names})
"""


def test_drivers_are_imported_before_any_clock_starts() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", ON_THE_CLOCK], cwd=root, capture_output=True, text=True, check=True)
    # anyio imports its backend when it runs.
    assert {*done.stdout.split()} <= {"anyio", "sniffio"}
