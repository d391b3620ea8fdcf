"""Rules about the configuration: a broken key, and what could not be checked for it; a key that was misspelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from checks.core.finding import Layer, Status
from preflight.config.schema.keys import key_of
from preflight.report.incidents.model import Link
from preflight.report.incidents.observations import Observations

# The suggestion is read from the message: a saved report has it nowhere else.
_MEANT = re.compile(r"did you mean ([\w.]+)\?")


def broken_key(observed: Observations) -> Iterator[Link]:
    """A check could not be made, because one of its keys is broken."""
    broken = {
        key: problem
        for problem in reversed(observed.problems)
        if problem.result.kind == Layer.CONFIG and problem.finding.status is Status.FAIL
        for key in problem.keys
    }
    for problem in observed.problems:
        cause = next((broken[key] for key in problem.keys if key in broken), None)
        if cause and problem.finding.status is Status.SKIP:
            yield Link(problem, cause, "what needs a broken key is not checked", is_certain=True)


def misspelled(observed: Observations) -> Iterator[Link]:
    """A key is missing, and another one, which no version of Mistle has, is spelled nearly as it is."""
    missing = {
        name: problem
        for problem in observed.with_id({"config.missing"})
        for key in problem.keys
        for name in _names(key)
    }
    for unknown in observed.with_id({"config.unknown-key", "config.unknown-override"}):
        meant = _MEANT.search(unknown.finding.message)
        if meant and meant[1] in missing:
            why = "a name that Mistle does not have is spelled nearly as that of the missing key"
            yield Link(missing[meant[1]], unknown, why)


def _names(key: str) -> Iterator[str]:
    """The key, and the variable that overrides it; a report that was read may have keys that are none."""
    yield key
    with suppress(KeyError):
        yield key_of(key).variable
