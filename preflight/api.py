"""The command from Python: no output, no signal handlers, no exit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from preflight.cli import commands
from preflight.cli.inputs import env_files
from preflight.cli.invocation import Invocation
from preflight.cli.options import from_values
from preflight.cli.so_far import SoFar
from preflight.formats import renderer
from preflight.output import ci
from preflight.output.writer import plain
from preflight.report.model import Report


def check(  # noqa: PLR0913 - each is a flag of the command
    config: Path | str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Iterable[Path | str] | Path | str = (),
    stage: str = "live",
    service: str | None = None,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    ignore: Iterable[str] = (),
    ignore_file: Path | str | None = None,
    fail_level: str = "fail",
    timeout: float = 10.0,
    deadline: float = 60.0,
    wait: float = 0.0,
    read_only: bool = False,
    ca_file: Path | str | None = None,
) -> Report:
    """Check everything that a configuration names, like ``mistle-preflight`` with the flags of the same names.

    ``config`` is a file; None: the file that MISTLE_CONFIG_PATH names, else only the MISTLE_* variables. ``environ``
    replaces the variables of the process; those of each ``env_file`` are beside them. Times are in seconds. During the
    run, variables that drivers would read (PG*, AWS_*, proxies) are removed from the environment of the process.

    Raises UsageError for a wrong argument, ConfigError for a configuration that cannot be read. Problems of the
    deployment raise nothing: they are in the report.
    """
    options = from_values(
        config=config,
        env_file=env_file,
        stage=stage,
        service=service,
        only=only,
        skip=skip,
        ignore=ignore,
        ignore_file=ignore_file,
        fail_level=fail_level,
        timeout=timeout,
        deadline=deadline,
        wait=wait or None,
        read_only=read_only,
        ca_file=ca_file,
    )
    invocation = Invocation(options, environ=os.environ if environ is None else environ)
    return commands.run(env_files.applied(invocation), SoFar())


def render(report: Report, name: str = "text") -> str:
    """The report in one of FORMATS, without colours."""
    return ci.inert(plain(renderer(name)(report)), name)
