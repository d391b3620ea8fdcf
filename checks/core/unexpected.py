"""Errors that mean an unexpected reply: the driver, or our module that reads the replies, cannot parse it."""

from __future__ import annotations

from traceback import walk_tb

from checks.core.check import Check
from checks.core.finding import Cause, Diagnosis, Layer, Status, permanent

NAME = "unexpected-reply"

_OWN = {"checks", "preflight"}
_NEVER_A_REPLY = (MemoryError, ImportError, NameError, SyntaxError)


def cause(prefix: str, server: str, blames: tuple[str, ...], status: Status = Status.FAIL) -> Cause:
    """The cause for a kind, by its prefix. ``server`` names the server; ``blames`` are the fields of its address."""
    return permanent(
        f"{prefix}.{NAME}",
        Layer.CONNECT,
        f"a reply has a form that {server} never sends, and that this check's driver cannot parse",
        f"make sure that {{blamed}} leads to {server}, and that no proxy answers in its place; "
        "if both are so, report this with the output of -v",
        blames=blames,
        status=status,
    )


def diagnose(check: Check, error: BaseException) -> Diagnosis | None:
    """A diagnosis, if the error was raised while a reply was read; None for a bug, or for what the machine lacks."""
    unexpected = next((each for each in check.causes if each.id == f"{check.prefix}.{NAME}"), None)
    if not unexpected or not _is_from_reader(error, check.reply_readers):
        return None
    return unexpected.diagnosis(f"the server's reply cannot be read: {_name(type(error))}")


def _is_from_reader(error: BaseException, readers: tuple[str, ...]) -> bool:
    """Whether a reader raised the error: the innermost frame of our code, or a driver's frame below it, is in one."""
    if not isinstance(error, Exception) or isinstance(error, _NEVER_A_REPLY) or getattr(error, "errno", None):
        return False
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if any(frame.f_code.co_name == "<module>" for frame in frames):  # raised while a driver was imported
        return False
    modules = [str(frame.f_globals.get("__name__")) for frame in frames]
    last = max((number for number, module in enumerate(modules) if _package(module) in _OWN), default=0)
    return any(module in readers or _package(module) in readers for module in modules[last:])


def _name(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _package(module: str) -> str:
    return module.partition(".")[0]
