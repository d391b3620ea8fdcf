"""What may be said of an unexpected exception: its class and place, never its words, which may hold a secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import checks
from checks.core import machine
from checks.core.check import Diagnosis, Finding
from checks.core.text import clean
from preflight.report import packages
from preflight.report.model import Result
from preflight.report.run_causes import BUG

_CHECKS = Path(checks.__file__).parent


def diagnose(error: BaseException) -> Diagnosis:
    """The finding of an unexpected exception: what the machine lacks is no bug, nor is another package than ours."""
    return machine.diagnose(error) or packages.other() or BUG.diagnosis(f"{type(error).__name__} at {_where(error)}")


def result(name: str, kind: str, keys: tuple[str, ...], error: BaseException, seconds: float = 0.0) -> Result:
    """What is known of a check that is itself broken: which, and how."""
    met = diagnose(error)
    finding = Finding(met.cause.id, met.cause.layer, met.status, met.message, met.hint)
    return Result(name, kind, "", keys, (finding,), seconds)


def trace(name: str, error: BaseException, *, words: bool = True) -> str:
    """The traceback of what ``name`` did, inert. Its ``words`` may hold secrets; else it is class and places."""
    if words:
        return f"{name}: {_inert(traceback.format_exception(error))}"
    places = _inert(traceback.format_tb(error.__traceback__))
    return f"{name}: Traceback (most recent call last):\n{places}{type(error).__name__}\n"


def _inert(parts: list[str]) -> str:
    lines = "".join(parts).split("\n")
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + clean(line) for line in lines)


def _where(error: BaseException) -> str:
    """The last line of a check that it came through, or else the last line."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_CHECKS)]
    frame = (own or frames)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
