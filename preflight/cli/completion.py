"""What a shell offers at the tab key: commands, flags, check names, finding ids, files.

argcomplete asks this program anew at each tab, so that what is offered is what this version has.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    Completer = Callable[..., Iterable[str]]

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """What the shell has to read, once."""
    from argcomplete.shell_integration import shellcode

    return str(shellcode(["mistle-preflight"], shell=shell))


def answer() -> None:
    """Say to the shell that asks what may follow, and end the process. A variable alone is no shell that asks."""
    if not _is_asked(os.environ):
        return
    import argcomplete

    from preflight.cli.parser import parser

    asked = parser()
    for action in asked._actions:
        if action.dest in _COMPLETERS:
            action.completer = _COMPLETERS[action.dest]  # type: ignore[attr-defined]
    argcomplete.autocomplete(asked, always_complete_options=False)


def _is_asked(environ: Mapping[str, str]) -> bool:
    numbers = (environ.get("_ARGCOMPLETE", ""), environ.get("COMP_POINT", ""))
    return "COMP_LINE" in environ and all(number.isdecimal() for number in numbers)


def _positionals(parsed_args: argparse.Namespace, prefix: str = "", **_: object) -> Iterable[str]:
    """A command first; then what that command takes."""
    from preflight.cli.options import COMMANDS

    given = getattr(parsed_args, "positionals", None) or []
    if given:
        return _ARGUMENTS.get(given[0], _nothing)(prefix=prefix)
    return {name: command.about for name, command in COMMANDS.items()}


def _ids(**_: object) -> Iterable[str]:
    from preflight.reference.catalogue import entries

    return {id_: entry.cause.means for id_, entry in entries().items()}


def _checks(**_: object) -> Iterable[str]:
    from preflight.plan.resources import RESOURCES

    return tuple(name for resource in RESOURCES for name in (resource.kind, resource.name))


def _formats(**_: object) -> Iterable[str]:
    from preflight.formats import FORMATS

    return tuple(FORMATS)


def _files(prefix: str = "", **_: object) -> Iterable[str]:
    from argcomplete.completers import FilesCompleter

    return FilesCompleter()(prefix)


def _nothing(**_: object) -> Iterable[str]:
    return ()


_ARGUMENTS: Mapping[str, Completer] = {
    "explain": _ids,
    "completion": lambda **_: SHELLS,
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
    "ca_file": _files,
    "timeout": _nothing,
    "deadline": _nothing,
}
