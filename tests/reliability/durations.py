"""The slowest files of the suite.

The table shows seconds, the sum over the tests of a file, for the ten files that take longest in one run of
`scripts/test`; and for the ten that took longest in a run of all tests, before attacks were left to
`scripts/reliability`. Both runs used four processes on two cores.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.harness.figures import Figures, Section
from tests.reliability.state import PAGE, ROOT

BEFORE = {
    "test_attack_signals.py": 315,
    "test_attack_input.py": 290,
    "test_attack_secrets.py": 256,
    "test_attack_deadlines.py": 91,
    "test_html_browser.py": 84,
    "test_attack_fuzz.py": 56,
    "test_cli.py": 56,
    "test_attack_json.py": 52,
    "test_attack_faults.py": 48,
    "test_http_service.py": 44,
}
"""Seconds. In the second file, random search found an error, and looked for the smallest input that causes it."""
COUNT = 10


def main() -> int:
    """Run the suite once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "junit.xml")
        environment = os.environ | {"PYTEST_ADDOPTS": f"--junitxml={file}"}
        done = subprocess.run([ROOT / "scripts/test"], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            return 1
        took = Counter[str]()
        for case in ElementTree.parse(file).iter("testcase"):
            took[case.attrib["classname"].rpartition(".")[2] + ".py"] += float(case.attrib["time"])
    section = Section(__doc__ or "")
    for name in (*(name for name, _ in took.most_common(COUNT)), *BEFORE):
        section.cell(name, "before", str(BEFORE.get(name, "")))
        section.cell(name, "now", f"{took[name]:.0f}")
    Figures(durations=section).write(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
