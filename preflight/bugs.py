"""What may be said of an unexpected exception: its class and place, never its words, which may hold a secret."""

from __future__ import annotations

import traceback
from pathlib import Path

from checks import base
from checks.base import Diagnosis
from checks.words import clean
from preflight.endings import BUG

_CHECKS = Path(base.__file__).parent


def diagnose(error: BaseException) -> Diagnosis:
    """The finding of an unexpected exception."""
    return BUG.found(f"{type(error).__name__} at {_where(error)}")


def trace(error: BaseException) -> str:
    """The traceback, in inert words. It may hold secrets."""
    lines = "".join(traceback.format_exception(error)).split("\n")
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + clean(line) for line in lines)


def _where(error: BaseException) -> str:
    """The last line of a check that it came through, or else the last line."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_CHECKS)]
    frame = (own or frames)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
