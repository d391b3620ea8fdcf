"""Runs commands in turns, and measures each: the time, the CPU time and the memory of all its processes."""

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {"PATH": os.environ["PATH"]}


@dataclass(frozen=True)
class Cost:
    """Seconds, seconds of CPU, and MiB (the largest sum of the proportional set sizes of all processes)."""

    wall: float
    cpu: float
    memory: float


def in_turns(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Cost]:
    """The medians of each command. All take turns, so that what disturbs the machine disturbs all."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(once(command))
    return {
        name: Cost(*(statistics.median(getattr(cost, field) for cost in each) for field in ("wall", "cpu", "memory")))
        for name, each in costs.items()
    }


def once(command: Sequence[str], codes: Collection[int] = (0,)) -> Cost:
    """One run. Raises RuntimeError if it ends with another exit code."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    memory: list[float] = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, memory))
    watcher.start()
    _, errors = process.communicate()
    wall = time.monotonic() - begun
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode not in codes:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors.decode()[-500:]}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, max(memory))


def _watch(process: subprocess.Popen[bytes], memory: list[float]) -> None:
    while process.poll() is None:
        memory.append(sum(map(_size, _tree(process.pid))))
        time.sleep(0.05)


def _tree(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [process, *(each for child in children for each in _tree(int(child)))]


def _size(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
