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
        if pair and not _is_one_database(*pair):
            direct, pooled = pair
            message = f"the direct URL leads to {_words(direct)}, the pooled URL to {_words(pooled)}"
            yield pooled.name, _finding(DIFFERENT_DATABASES, message, pair, origins)


def shared_by_planes(results: Results, origins: Mapping[str, str]) -> Iterator[Found]:
    """Both planes in one database: allowed, and good to know."""
    pair = _pair(results, "postgres.control_plane.direct", "postgres.data_plane.direct")
    if pair and _is_one_database(*pair):
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


def _is_one_database(first: Result, second: Result) -> bool:
    """Whether two results describe one database: of one name and oid, in one server or in one and its replica."""
    one, other = first.facts, second.facts
    if any(one[name] != other[name] for name in ("database", "database_name")):
        return False
    if one["system"] and other["system"] and one["system"] != other["system"]:
        return False
    # Restored and promoted copies keep the identifier: two writable servers that started apart are two.
    return one["started"] == other["started"] or bool(one["in_recovery"] or other["in_recovery"])


def _words(result: Result) -> str:
    return f"database {result.facts['database_name']} ({result.target})"


def _finding(cause: Cause, message: str, pair: tuple[Result, Result], origins: Mapping[str, str]) -> Finding:
    keys = tuple(key for result in pair for key in result.keys if key.startswith("postgres."))
    hint = cause.hint.replace("{blamed}", " and ".join(place(key, origins) for key in keys))
    return Finding(cause.id, cause.layer, cause.status, message, hint, keys)
