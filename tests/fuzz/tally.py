"""The number of inputs, and their outcomes, for docs/reliability.md."""

from collections import Counter

from hypothesis import settings

from tests.fuzz.call import Ended
from tests.harness.figures import Section


def many(times: float) -> settings:
    """Settings with so many times the number of examples that the profile has."""
    return settings(max_examples=int(times * settings().max_examples), deadline=None)


class Tally(Counter[int]):
    """The number of inputs by exit code."""

    def note(self, ended: Ended) -> Ended:
        self[ended.code] += 1
        return ended

    def write(self, figures: Section, row: str) -> None:
        figures.cell(row, "inputs", f"{self.total():,}")
        figures.cell(row, "exit codes", ", ".join(map(str, sorted(self))))
        figures.cell(row, "crashes", str(sum(count for code, count in self.items() if code not in (0, 1, 2))))
