"""Repeated runs of the suite.

Each run is `scripts/test` as it stands. Three of ten runs have two busy loops beside them, as on a machine with other
work. No run may fail.
"""

import re
import subprocess
import sys
import time
from contextlib import ExitStack

from tests.harness.figures import Figures, Section
from tests.reliability.state import FOLDER, PAGE, ROOT, Notes

LOOPS = 2
COUNTS = re.compile(r"(?:\d+ (?:passed|failed|skipped|errors?|deselected|xfailed|warnings?)(?:, )?)+ in .*")


def main(count: int) -> int:
    notes = Notes("repeat")
    rows = list(notes)
    for number in range(len(rows), count):
        rows.append(_run(number, loops=LOOPS if number >= count - 3 * count // 10 else 0))
        notes.add(rows[-1])
    failed = [row for row in rows if row["code"]]
    section = Section(__doc__ or "")
    section.add("runs that passed", f"{count - len(failed)} of {count}")
    for number, row in enumerate(rows[:count], 1):
        for column in ("busy loops beside", "minutes", "outcome"):
            section.cell(f"run {number}", column, str(row[column]))
    Figures(repeat=section).write(PAGE)
    return bool(failed)


def _run(number: int, loops: int) -> dict[str, object]:
    with ExitStack() as beside:
        for _ in range(loops):
            process = beside.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            beside.callback(process.kill)
        started = time.monotonic()
        done = subprocess.run([ROOT / "scripts/test"], capture_output=True, text=True, check=False, cwd=ROOT)
        minutes = (time.monotonic() - started) / 60
    (FOLDER / f"repeat-{number + 1}.log").write_text(done.stdout + done.stderr)
    counts = COUNTS.findall(done.stdout)
    outcome = counts[-1].rpartition(" in ")[0] if counts else f"exit code {done.returncode}"
    print(f"run {number + 1}: {minutes:.1f} min, {loops} busy loops, {outcome}", flush=True)  # noqa: T201
    return {"busy loops beside": loops, "minutes": f"{minutes:.1f}", "outcome": outcome, "code": done.returncode}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
