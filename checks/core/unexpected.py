"""Errors that a server's reply has caused: a driver, or the module here that reads the replies, cannot take it."""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING

from checks.core.check import Cause, Layer, Status

if TYPE_CHECKING:
    from checks.core.check import Check, Diagnosis

NAME = "unexpected-reply"

_OWN = {"checks", "preflight"}
_NEVER_A_REPLY = (MemoryError, ImportError, NameError, SyntaxError)


def cause(prefix: str, server: str, blames: tuple[str, ...], status: Status = Status.FAIL) -> Cause:
    """The one of the kind with this prefix, whose ``server`` is called so; ``blames`` is where its address stands."""
    return Cause(
        f"{prefix}.{NAME}",
        Layer.CONNECT,
        f"a reply has a form that {server} never gives, and that this check's driver cannot read",
        f"make sure that {{blamed}} leads to {server}, and that no proxy answers in its place; "
        "if that is so, report this with what -v shows",
        blames=blames,
        status=status,
    )


def diagnose(check: Check, error: BaseException) -> Diagnosis | None:
    """The kind's cause, where the error is one of reading a reply; None where it is a bug, or the machine's."""
    found = next((each for each in check.causes if each.id == f"{check.prefix}.{NAME}"), None)
    if not found or not _is_of_reading(error, check.reply_readers):
        return None
    return found.diagnosis(f"the server's reply cannot be read: {_name(type(error))}")


def _is_of_reading(error: BaseException, readers: tuple[str, ...]) -> bool:
    """Whether it was raised in a driver, or in a reader of our own or below it: what called them does not matter."""
    if not isinstance(error, Exception) or isinstance(error, _NEVER_A_REPLY) or getattr(error, "errno", None):
        return False
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(frame.f_code.co_name == "<module>" for frame in frames):  # a driver that cannot even be loaded
        return False
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    last = max((number for number, module in enumerate(modules) if _package(module) in _OWN), default=0)
    return any(module in readers or _package(module) in readers for module in modules[last:])


def _name(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _package(module: str) -> str:
    return module.partition(".")[0]
