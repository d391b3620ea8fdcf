"""Reports unexpected exceptions by class and line, without their message, which may hold a secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import checks
from checks.core import machine
from checks.core.finding import Diagnosis, Finding
from checks.core.text import clean
from preflight.report import packages
from preflight.report.result import Result
from preflight.report.run_causes import BUG

_CHECKS = Path(checks.__file__).parent


def diagnose(error: BaseException) -> Diagnosis:
    """The diagnosis of an unexpected exception. A lack of the machine or a wrong package version is no bug."""
    return (
        machine.diagnose(error) or packages.unsupported() or BUG.diagnosis(f"{type(error).__name__} at {_where(error)}")
    )


def result(name: str, kind: str, keys: tuple[str, ...], error: BaseException, seconds: float = 0.0) -> Result:
    """The result of a check whose code has a bug."""
    diagnosis = diagnose(error)
    cause = diagnosis.cause
    finding = Finding(cause.id, cause.layer, diagnosis.status, diagnosis.message, diagnosis.hint)
    return Result(name, kind, "", keys, (finding,), seconds)


def trace(name: str, error: BaseException, *, with_message: bool = True) -> str:
    """The traceback of an error in ``name``, inert. A message may hold secrets."""
    if with_message:
        return f"{name}: {_inert(traceback.format_exception(error))}"
    lines = _inert(traceback.format_tb(error.__traceback__))
    return f"{name}: Traceback (most recent call last):\n{lines}{type(error).__name__}\n"


def _inert(parts: list[str]) -> str:
    lines = "".join(parts).split("\n")
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + clean(line) for line in lines)


def _where(error: BaseException) -> str:
    """The last frame in the code of a check; if there is none, the last frame."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_CHECKS)]
    frame = (own or frames)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
