"""The files of variables that --env-file names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.text import clean
from preflight.cli.options import UsageError
from preflight.config.origin import InVariable
from preflight.output.workspace import in_repository

if TYPE_CHECKING:
    from preflight.cli.invocation import Invocation
    from preflight.config.sources.env_file import Variable
    from preflight.config.sources.substitution import Lookup


def applied(invocation: Invocation) -> Invocation:
    """The invocation with the variables of these files beside those of the process, which win. Raises UsageError."""
    environ, values, lines = invocation.environ, dict[str, str](), dict[str, InVariable]()

    def lookup(name: str) -> str | None:
        return values.get(name, environ.get(name))

    for path in invocation.options.env_file:
        found = _read(path, lookup, invocation)
        shown = clean(in_repository(str(path), environ), 1000)
        values |= {name: variable.value for name, variable in found.items()}
        lines |= {name: InVariable(name, shown, variable.line) for name, variable in found.items()}
    if not values:
        return invocation
    lines = {name: line for name, line in lines.items() if name not in environ}
    return replace(invocation, environ={**values, **environ}, lines=lines)


def _read(path: Path, lookup: Lookup, invocation: Invocation) -> Mapping[str, Variable]:
    from checks.core.files import UnreadableFile
    from preflight.config.sources.env_file import InvalidLine, read

    try:
        with invocation.signals.interrupting():
            return read(path, lookup, invocation.seconds_for_file)
    except UnreadableFile as error:
        raise UsageError(f"--env-file: {path} {error}") from error
    except InvalidLine as error:
        raise UsageError(f"--env-file: {path}:{error.line}: {error}") from error
