"""How many inputs, and what came of them, for docs/reliability.md."""

from collections import Counter

from hypothesis import settings

from tests.fuzz.call import Ended
from tests.harness.figures import Section


def many(times: float) -> settings:
    """So many times what the profile asks for: 100, or with `--hypothesis-profile=long` 20,000."""
    return settings(max_examples=int(times * settings().max_examples), deadline=None)


class Tally(Counter[int]):
    """How many inputs ended with each code."""

    def note(self, ended: Ended) -> Ended:
        self[ended.code] += 1
        return ended

    def write(self, figures: Section, row: str) -> None:
        figures.cell(row, "inputs", f"{self.total():,}")
        figures.cell(row, "exit codes", ", ".join(map(str, sorted(self))))
        figures.cell(row, "crashes", str(sum(count for code, count in self.items() if code not in (0, 1, 2))))
