"""The same line from Python: no output, no signal handlers, no exit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from preflight.report.model import Report


def check(  # noqa: PLR0913 - a flag of the command each
    config: Path | str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    stage: str = "live",
    service: str | None = None,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    ignore: Iterable[str] = (),
    fail_level: str = "fail",
    timeout: float = 10.0,
    deadline: float = 60.0,
    read_only: bool = False,
    ca_file: Path | str | None = None,
) -> Report:
    """Prove everything that a configuration names, as ``mistle-preflight`` with the flags of these names does.

    ``config`` is a file; None: what MISTLE_CONFIG_PATH names, else the MISTLE_* variables alone. ``environ`` takes the
    place of the process's own variables. Times are in seconds. While it runs, the process's environment is without the
    variables that drivers would read (PG*, AWS_*, proxies).

    Raises UsageError for an argument that cannot be, ConfigError for a configuration that cannot be read. What is wrong
    with a deployment is no exception: it is in the report.
    """
    from preflight.cli import commands
    from preflight.cli.invocation import Invocation
    from preflight.cli.options import parse

    flags = _flags(
        config=config,
        stage=stage,
        service=service,
        only=only,
        skip=skip,
        ignore=ignore,
        fail_level=fail_level,
        timeout=timeout,
        deadline=deadline,
        read_only=read_only,
        ca_file=ca_file,
    )
    return commands.run(Invocation(parse([*flags]), environ=os.environ if environ is None else environ))


def render(report: Report, name: str = "text") -> str:
    """The report in one of FORMATS, without colours."""
    from preflight.formats import renderer
    from preflight.output import ci
    from preflight.output.writer import plain

    return ci.inert(plain(renderer(name)(report)), name)


def _flags(**given: object) -> Iterator[str]:
    for name, value in given.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif isinstance(value, Iterable) and not isinstance(value, str):
            yield from (f"{flag}={each}" for each in value)
        elif value is not None and value is not False:
            yield f"{flag}={value}"
