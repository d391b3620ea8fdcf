"""Measures the command beside its rivals, all in one run, and writes docs/performance.md.

usage: scripts/benchmarks [ROUNDS]    by default 7; a machine with nothing else to do, about ten minutes
"""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from benchmarks import links, monitors, plot
from benchmarks.measure import Cost, in_turns, once
from preflight.demo.client import Demo, running
from preflight.run.signals import Signals
from tests.harness.faults import black_hole

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
PYTHON = sys.executable
COMMAND = (PYTHON, "-c", "from preflight.cli.main import entry; entry()")
BARE = "bare Python"
OURS, RIVAL, FLOOR = "mistle-preflight", "straightforward script", "floor"

Row = tuple[object, ...]


def starts(demo: Demo) -> dict[str, Sequence[str]]:
    config = ("--config", str(demo.config))
    return {
        BARE: (PYTHON, "-c", "import tomllib, json"),
        "`--version`": (*COMMAND, "--version"),
        "`--help`": (*COMMAND, "--help"),
        "`config`": (*COMMAND, "config", *config),
        "`plan`": (*COMMAND, "plan", *config),
        "`explain ID`": (*COMMAND, "explain", "network.far"),
    }


def whole_runs(demo: Demo) -> dict[str, Sequence[str]]:
    files = (str(demo.config), str(demo.ca_file))
    return {
        OURS: (*COMMAND, "--config", files[0], "--ca-file", files[1]),
        RIVAL: (PYTHON, "-m", "benchmarks.straightforward", *files),
        FLOOR: (PYTHON, "-m", "benchmarks.floor", files[0]),
    }


def growth(demo: Demo, kind: str, number: int) -> dict[str, Sequence[str]]:
    return {
        way: (PYTHON, "-m", "benchmarks.growth", way, kind, str(number), str(demo.config))
        for way in ("checks", "driver")
    }


def sections(demo: Demo, rounds: int, whole: dict[str, Mapping[str, Cost]]) -> Iterator[str]:
    """``whole`` gets the costs of the whole runs."""
    yield _section(
        "Starting",
        "Ratios are to a bare `python -c 'import tomllib, json'`.",
        _costs(in_turns(starts(demo), rounds), BARE),
    )
    yield _section(
        "A whole run, on loopback",
        "The demo's deployment. The straightforward script (`benchmarks/straightforward.py`) imports the same SDKs, "
        "and does one thing after the other; it proves far less. The floor (`benchmarks/floor.py`) makes the "
        "connections and one round trip of each, with sockets alone. Ratios are to the script.",
        _costs(whole.setdefault("on loopback", in_turns(whole_runs(demo), rounds)), RIVAL),
    )
    for milliseconds in (20, 80):
        with links.far(demo, milliseconds / 1e3) as run_there:
            costs = run_there(lambda: in_turns(whole_runs(demo), max(1, rounds // 2)))
        whole[f"{milliseconds} ms away"] = costs
        about = (
            f"Every packet to a server of the demo is held: a round trip takes {milliseconds} ms. Docker's is local."
        )
        yield _section(f"A whole run, {milliseconds} ms away", about, _costs(costs, RIVAL))
    yield from _monitors(demo, rounds)
    yield _section(
        "Nothing replies",
        "The ports of so many of the demo's servers accept no connection and refuse none; `--timeout` is 3 s.",
        _table(("servers", "wall, s", "CPU, s"), _silent(demo)),
    )
    yield _section(
        "Many targets",
        "CPU time in seconds of so many checks of one kind, beside the same number of the driver's own calls in a bare "
        "loop: one login and one flight of commands; four operations on one S3 client.",
        _table(("kind", "targets", "checks", "bare loop", "for each further target: checks / loop"), _growth(demo)),
    )


def _monitors(demo: Demo, rounds: int) -> Iterator[str]:
    if not monitors.are_installed():
        return
    with monitors.exporter() as exporter:
        for check, rivals in monitors.of_each_kind(demo, exporter).items():
            ours = {OURS: (*COMMAND, "--config", str(demo.config), "--ca-file", str(demo.ca_file), "--only", check)}
            costs = in_turns({**ours, **rivals}, rounds)
            about = (
                f"`{check}` alone. The others prove that a login works, that a greeting comes, or that a page is there."
            )
            yield _section(f"One resource: {check}", about, _costs(costs, OURS))


def _silent(demo: Demo) -> Iterator[Row]:
    text = demo.config.read_text(encoding="utf-8")
    ports = list(dict.fromkeys(links.ports(text)))
    for number in (1, 4, len(ports)):
        with ExitStack() as stack, NamedTemporaryFile("w", encoding="utf-8", suffix=".toml") as file:
            holes = {port: stack.enter_context(black_hole()) for port in ports[:number]}
            file.write(links.moved(text, holes))
            file.flush()
            command = (*COMMAND, "--config", file.name, "--ca-file", str(demo.ca_file), "--timeout", "3")
            cost = once(command, codes=(0, 1))  # telemetry alone is a warning
        yield number if number < len(ports) else f"all {number}", f"{cost.wall:.2f}", f"{cost.cpu:.2f}"


def _growth(demo: Demo) -> Iterator[Row]:
    for kind in ("valkey", "object_store"):
        first: dict[str, Cost] = {}
        for number in (1, 10, 50, 200):
            costs = in_turns(growth(demo, kind, number), 1)
            first = first or costs
            each = [(costs[way].cpu - first[way].cpu) / max(1, number - 1) * 1e3 for way in ("checks", "driver")]
            more = f"{each[0]:.1f} / {each[1]:.1f} ms, {each[0] / each[1]:.1f} x" if number > 1 else ""
            yield kind, number, f"{costs['checks'].cpu:.2f}", f"{costs['driver'].cpu:.2f}", more


def _costs(costs: Mapping[str, Cost], unit: str) -> str:
    of = costs[unit]
    rows = (
        (
            name,
            f"{cost.wall:.2f}",
            f"{cost.wall / of.wall:.2f}",
            f"{cost.cpu:.2f}",
            f"{cost.cpu / of.cpu:.2f}",
            f"{cost.memory:.0f}",
        )
        for name, cost in costs.items()
    )
    return _table(("", "wall, s", "ratio", "CPU, s", "ratio", "memory, MiB"), rows)


def _section(title: str, about: str, table: str) -> str:
    return f"## {title}\n\n{about}\n\n{table}"


def _table(head: Row, rows: Iterator[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def page(demo: Demo, rounds: int, on_section: Callable[[str], object] = print) -> str:
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, 2 cores"
    whole: dict[str, Mapping[str, Cost]] = {}
    parts = [
        "# Performance",
        "<!-- Made by scripts/benchmarks. -->",
        f"Medians of {rounds} runs that take turns, on {datetime.now(UTC):%Y-%m-%d} ({machine}). Compare within a "
        "table: absolute times are those of a small shared machine. Memory is the proportional set size of all "
        "processes.",
    ]
    for part in sections(demo, rounds, whole):
        on_section(part)
        parts.append(part)
    plot.draw(whole, PAGE.with_suffix(".svg"))
    parts.insert(3, "![The wall time of a whole run, near and far](performance.svg)")
    return "\n\n".join((*parts, (ROOT / "benchmarks/notes.md").read_text(encoding="utf-8")))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with ExitStack() as stack:
        demo = stack.enter_context(running((), Signals(), lambda _line: None))
        PAGE.write_text(page(demo, rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
