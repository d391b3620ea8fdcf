"""Every kind of check against every fault of a network.

Each kind is made from configuration, in its plaintext and in its TLS form. The runner runs many checks at once, each
against a server of its own that has the fault. Every cell is a test: the finding, its layer, its severity and the keys
that it blames are exactly those of a table; nothing above that layer counts as proven; no message holds a control
character; and the check ends within its limit. A cell shows the layer and the finding.

Of two addresses, one drops packets, and a server at the other refuses the login: the cell shows a warning about the
first address, and the refusal. A reply that is cut lacks only the last byte of a correct one.
"""

import gc
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import checks
from checks.core.finding import Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.report.result import Result
from preflight.run.runner import Run, run
from tests.harness import profiles
from tests.harness.descriptors import ROWS
from tests.harness.fault_columns import FAULTS, NAMES, SILENT, Certificates, Fault, checks_with_faults
from tests.harness.fault_rows import Row
from tests.harness.fault_verdicts import NOT_APPLICABLE, expected, not_applicable
from tests.harness.figures import Section
from tests.testbed import Authority
from tests.testbed.names import NameServer, can_change_names, name_server

pytestmark = pytest.mark.skipif(not can_change_names(), reason="needs root, to give a thread another resolv.conf")

NONE = "\N{EN DASH}"
GRACE = 1.0  # seconds beyond the limit, on a machine with other work
Cell = tuple[Row, Fault]
CELLS: list[Cell] = [(row, fault) for fault in FAULTS for row in ROWS if not not_applicable(row, fault)]
AT_ONCE = len(ROWS)


@dataclass
class Matrix:
    """The results of the cells. The first cell of a batch runs the whole batch: all wait for their faults at once."""

    names: NameServer
    certificates: Certificates
    trusted: Path
    batches: list[list[Cell]]
    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    bugs: list[str] = field(default_factory=list)
    slowest: float = 0.0  # seconds beyond a limit

    def result(self, row: Row, fault: Fault) -> Result:
        if (row.name, fault.name) not in self.results:
            self._run_batch(next(batch for batch in self.batches if (row, fault) in batch))
        return self.results[row.name, fault.name]

    def _run_batch(self, cells: list[Cell]) -> None:
        limit = cells[0][1].limit
        # The resolver waits longer than the check.
        ended = self.names.asked_by(lambda: self._run(limit, cells), "timeout:9 attempts:1")
        self.bugs += ended.bugs
        self.slowest = max(self.slowest, *(result.seconds - limit for result in ended.results))
        named = [(row.name, fault.name) for row, fault in cells]
        self.results |= dict(zip(named, ended.results, strict=True))

    def _run(self, limit: float, cells: list[Cell]) -> Run:
        settings = Settings(Trust(self.trusted), limit)
        with checks_with_faults(cells, self.certificates) as checks, warnings.catch_warnings():
            # asyncio and httpcore do not close a connection that is cut in its handshake.
            warnings.simplefilter("ignore", ResourceWarning)
            ended = run(checks, settings, deadline=limit + GRACE, origins={})
            gc.collect()
            return ended


def batches(cells: list[Cell]) -> list[list[Cell]]:
    """Cells whose faults have the same limit, at most AT_ONCE together."""
    by_limit = defaultdict(list)
    for cell in cells:
        by_limit[cell[1].limit].append(cell)
    return [same[first : first + AT_ONCE] for same in by_limit.values() for first in range(0, len(same), AT_ONCE)]


@pytest.fixture(scope="module")
def matrix(authority: Authority, figures: Section, request: pytest.FixtureRequest) -> Iterator[Matrix]:
    chosen = {item.name for item in request.session.items}
    cells = [(row, fault) for row, fault in CELLS if f"test_fault_of_kind[{row.name} | {fault.name}]" in chosen]
    with authority.trusted() as path, name_server(NAMES, silent=[SILENT]) as names:
        matrix = Matrix(names, Certificates.of(authority), Path(path), batches(cells))
        yield matrix
    figures.add("longest time of a check beyond its limit", f"{matrix.slowest:.1f} s")


def test_fault_matrix_is_complete(figures: Section) -> None:
    reasons = {(row.name, fault.name): not_applicable(row, fault) for row in ROWS for fault in FAULTS}
    missing = Counter(filter(None, reasons.values()))
    assert len(CELLS) + missing.total() == len(reasons) == len(ROWS) * len(FAULTS)
    assert missing.keys() == {reason for reason, _, _ in NOT_APPLICABLE}
    figures.add("cells", len(CELLS))
    for reason, count in missing.items():
        figures.add(f"{NONE}: {reason}", f"{count} cells")
    for cell in reasons:
        figures.cells.setdefault(cell, NONE)


def test_every_kind_is_in_the_fault_matrix() -> None:
    assert {type(row.at("host.test", 1)) for row in ROWS} == set(checks.load_all())


@profiles.covering
@pytest.mark.parametrize(("row", "fault"), CELLS, ids=[f"{row.name} | {fault.name}" for row, fault in CELLS])
def test_fault_of_kind(row: Row, fault: Fault, matrix: Matrix, figures: Section) -> None:
    result = matrix.result(row, fault)
    wrong = [finding for finding in result.findings if finding.status >= Status.WARN]
    figures.cell(row.name, fault.name, "; ".join(f"{finding.layer} · {finding.id}" for finding in wrong))

    actual = tuple((finding.id, finding.layer, finding.status, finding.fields) for finding in wrong)
    assert actual == expected(row, fault), "\n".join(map(str, result.findings))
    assert matrix.bugs == []
    assert result.seconds <= fault.limit + GRACE

    order = list(Layer).index
    above = [finding for finding in result.findings if order(finding.layer) > order(wrong[-1].layer)]
    assert wrong[-1].id == "network.address-unreachable" or {finding.status for finding in above} <= {Status.SKIP}
    for finding in result.findings:
        assert finding.message.isprintable()
        assert finding.hint.isprintable()
    for finding in wrong:
        assert finding.message
        assert finding.hint
        assert "{" not in finding.hint
