"""Runs the named parts, or all of them, except those that have passed since the last change."""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.reliability.state import FOLDER, PAGE, ROOT, Notes

PYTEST = (sys.executable, "-m", "pytest", "--profile", "long", "-q")
ALONE = 2  # parts at once, of those that do not use the whole machine


def measured() -> list[str]:
    """The attacks, and the faults with one cause: each keeps its figures in the page."""
    return [
        *sorted(path.stem.removeprefix("test_") for path in (ROOT / "tests/attacks").glob("test_*.py")),
        "incidents",
    ]


def _file(part: str) -> Path:
    return next((ROOT / "tests").rglob(f"test_{part}.py"))


def command(part: str) -> tuple[str, ...]:
    """The command of a part."""
    match part:
        case "rest":
            others = ("--ignore=tests/attacks", "--ignore=tests/end_to_end/test_soak.py")
            return (*PYTEST, "-n4", "--shuffle", str(int(time.time())), *others)
        case "lowest":
            return ("scripts/lowest",)
        case "fuzz":
            return ("scripts/fuzz", "300")
        case "mutants":
            return (sys.executable, "-m", "tests.reliability.mutants")
        case "repeat":
            return (sys.executable, "-m", "tests.reliability.repeat", "10")
    return (*PYTEST, "--reliability", str(PAGE), str(_file(part)))


WHOLE = ("rest", "lowest", "soak", "fuzz", "mutants", "repeat")
"""The parts that run after the attacks, one by one: each uses the whole machine."""


def main() -> int:
    parts = [*measured(), *WHOLE]
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__)
    parser.add_argument("--again", action="store_true", help="also those that have passed")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; by default all")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    notes = Notes("parts")
    if chosen.again:
        notes.forget(*(chosen.parts or parts))
    done = set(notes)
    wanted = [part for part in parts if part in (chosen.parts or parts) and part not in done]
    with ThreadPoolExecutor(ALONE) as pool:
        ended = list(pool.map(lambda part: run(part, notes), [part for part in wanted if part not in WHOLE]))
    ended += [run(part, notes) for part in wanted if part in WHOLE]
    return 0 if all(ended) else 1


def run(part: str, notes: Notes) -> bool:
    """Run a part, with its output in a file, and return whether it passed."""
    started, log, arguments = time.monotonic(), FOLDER / f"{part}.log", command(part)
    with log.open("w") as output:
        print(*arguments, file=output, flush=True)
        done = subprocess.run(arguments, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
    passed = done.returncode == 0
    if passed:
        notes.add(part)
    minutes = (time.monotonic() - started) / 60
    print(f"{'passed' if passed else 'FAILED'} {part}, {minutes:.1f} min: {_last(log)}", flush=True)  # noqa: T201
    return passed


def _last(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "nothing was printed")


if __name__ == "__main__":
    sys.exit(main())
