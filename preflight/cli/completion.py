"""Completion in a shell: commands, flags, check names, finding ids, files.

The shell runs this program at each tab key, so that it always offers what the installed version has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import argcomplete
from argcomplete.completers import FilesCompleter
from argcomplete.shell_integration import shellcode

from preflight.cli.options import COMMANDS, SCHEMAS
from preflight.cli.parser import parser
from preflight.demo.faults import FAULTS
from preflight.formats import FORMATS

if TYPE_CHECKING:
    import argparse

    Completer = Callable[..., Iterable[str]]

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """The script that the shell reads once."""
    return str(shellcode(["mistle-preflight"], shell=shell))


def send_completions() -> None:
    """If a shell asks for completions, send them and end the process."""
    if not _is_completing(os.environ):
        return
    completed = parser()
    for action in completed._actions:
        if action.dest in _COMPLETERS:
            action.completer = _COMPLETERS[action.dest]  # type: ignore[attr-defined]
    argcomplete.autocomplete(completed, always_complete_options=False)


def _is_completing(environ: Mapping[str, str]) -> bool:
    """One of the variables alone may be left over: argcomplete would fail."""
    numbers = (environ.get("_ARGCOMPLETE", ""), environ.get("COMP_POINT", ""))
    return "COMP_LINE" in environ and all(number.isdecimal() for number in numbers)


def _positionals(parsed_args: argparse.Namespace, prefix: str = "", **_: object) -> Iterable[str]:
    """First a command, then its arguments."""
    given = getattr(parsed_args, "positionals", None) or []
    if given:
        return _ARGUMENTS.get(given[0], _nothing)(prefix=prefix)
    return {name: command.about for name, command in COMMANDS.items()}


def _ids(**_: object) -> Iterable[str]:
    from preflight.reference.catalogue import entries  # 40 ms, for these completions only

    return {id_: entry.cause.means for id_, entry in entries().items()}


def _checks(**_: object) -> Iterable[str]:
    from preflight.plan.resources import RESOURCES  # 100 ms, for these completions only

    return tuple(name for resource in RESOURCES for name in (resource.kind, resource.name))


def _faults(**_: object) -> Iterable[str]:
    return {name: fault.about for name, fault in FAULTS.items()}


def _formats(**_: object) -> Iterable[str]:
    return tuple(FORMATS)


def _files(prefix: str = "", **_: object) -> Iterable[str]:
    return FilesCompleter()(prefix)


def _nothing(**_: object) -> Iterable[str]:
    return ()


_ARGUMENTS: Mapping[str, Completer] = {
    "explain": _ids,
    "completion": lambda **_: SHELLS,
    "schema": lambda **_: SCHEMAS,
    "config": _files,
    "diff": _files,
    "merge": _files,
}
_COMPLETERS: Mapping[str, Completer] = {
    "positionals": _positionals,
    "only": _checks,
    "skip": _checks,
    "ignore": _ids,
    "format": _formats,
    "config": _files,
    "env_file": _files,
    "ignore_file": _files,
    "ca_file": _files,
    "timeout": _nothing,
    "deadline": _nothing,
    "wait": _nothing,
    "every": _nothing,
    "listen": _nothing,
    "token_file": _files,
    "faults": _faults,
}
