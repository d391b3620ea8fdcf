"""What only two results together show: pure functions over results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from checks.base import Cause, Finding
from checks.postgres.causes import DIFFERENT_DATABASES, SHARED_BY_PLANES
from preflight.report import Result, place

Found = tuple[str, Finding]  # the name of the check that it is added to
Results = Mapping[str, Result]


def compare(results: tuple[Result, ...], origins: Mapping[str, str]) -> tuple[Result, ...]:
    """The same results, with what comparing them found."""
    by_name = {result.name: result for result in results}
    found = [each for comparison in COMPARISONS for each in comparison(by_name, origins)]
    return tuple(
        replace(result, findings=result.findings + tuple(finding for name, finding in found if name == result.name))
        for result in results
    )


def different_databases(results: Results, origins: Mapping[str, str]) -> Iterator[Found]:
    """The direct and the pooled URL of one plane lead to one database."""
    for plane in ("control_plane", "data_plane"):
        pair = _pair(results, f"postgres.{plane}.direct", f"postgres.{plane}.pooled")
        if pair and _database(pair[0]) != _database(pair[1]):
            direct, pooled = pair
            message = f"the direct URL leads to {_words(direct)}, the pooled URL to {_words(pooled)}"
            yield pooled.name, _finding(DIFFERENT_DATABASES, message, pair, origins)


def shared_by_planes(results: Results, origins: Mapping[str, str]) -> Iterator[Found]:
    """Both planes in one database: allowed, and good to know."""
    pair = _pair(results, "postgres.control_plane.direct", "postgres.data_plane.direct")
    if pair and _database(pair[0]) == _database(pair[1]):
        yield pair[1].name, _finding(SHARED_BY_PLANES, f"both planes share {_words(pair[0])}", pair, origins)


COMPARISONS: tuple[Callable[[Results, Mapping[str, str]], Iterator[Found]], ...] = (
    different_databases,
    shared_by_planes,
)


def _pair(results: Results, first: str, second: str) -> tuple[Result, Result] | None:
    pair = results.get(first), results.get(second)
    if pair[0] and pair[1] and pair[0].facts and pair[1].facts:
        return pair[0], pair[1]
    return None


def _database(result: Result) -> tuple[object, ...]:
    # A server that hides its system identifier is told apart by the moment it started.
    facts = result.facts
    return facts["system"] or facts["started"], facts["database"], facts["database_name"]


def _words(result: Result) -> str:
    return f"database {result.facts['database_name']} ({result.target})"


def _finding(cause: Cause, message: str, pair: tuple[Result, Result], origins: Mapping[str, str]) -> Finding:
    keys = tuple(key for result in pair for key in result.keys if key.startswith("postgres."))
    hint = cause.hint.replace("{blamed}", " and ".join(place(key, origins) for key in keys))
    return Finding(cause.id, cause.layer, cause.status, message, hint, keys)
