"""Checks the configuration of several files, one after the other, as a pre-commit hook names them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from preflight.cli.invocation import Invocation
from preflight.cli.so_far import SoFar, report
from preflight.config.loader import ConfigError
from preflight.report.model import Report, Reports


def reports(invocation: Invocation, load: Callable[[Invocation, SoFar], object]) -> Reports:
    """A report for each file; ``load`` reads the file of an invocation. One that cannot be read hides no other."""
    return Reports(tuple(_report(_of(file, invocation), load) for file in invocation.options.arguments))


def _of(file: str, invocation: Invocation) -> Invocation:
    """The invocation for one file. Its time begins now, and ends with that of all files."""
    options = replace(invocation.options, config=Path(file), arguments=(), deadline=invocation.seconds_left)
    return replace(invocation, options=options, started_at=datetime.now(UTC), _started=time.perf_counter())


def _report(invocation: Invocation, load: Callable[[Invocation, SoFar], object]) -> Report:
    so_far = SoFar()
    try:
        load(invocation, so_far)
    except ConfigError as error:
        so_far.note_error(error, "reading the configuration")
    return report(invocation, so_far)
