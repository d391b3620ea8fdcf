"""What only two results together show: pure functions over results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from checks.core.check import Cause, Finding
from checks.core.text import foreign
from checks.http_service.causes import MIXED_RELEASES, PUBLIC_DIFFERS
from checks.postgres.causes import DIFFERENT_DATABASES, SHARED_BY_PLANES
from preflight.config.hints import filled, with_origin
from preflight.report.model import Result

if TYPE_CHECKING:
    from preflight.config.origin import Origin

Found = tuple[str, Finding]  # the name of the check that it is added to
Results = Mapping[str, Result]
_API = "services.control_plane_api"


def _raise(error: BaseException) -> NoReturn:
    raise error


def compare(
    results: tuple[Result, ...], origins: Mapping[str, Origin], on_bug: Callable[[BaseException], object] = _raise
) -> tuple[Result, ...]:
    """The same results, with what comparing them found; a bug in one comparison is told to ``on_bug``."""
    by_name = {result.name: result for result in results}
    found: list[Found] = []
    for comparison in COMPARISONS:
        try:
            found += comparison(by_name, origins)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            on_bug(error)
    return tuple(
        replace(result, findings=result.findings + tuple(finding for name, finding in found if name == result.name))
        for result in results
    )


def different_databases(results: Results, origins: Mapping[str, Origin]) -> Iterator[Found]:
    """The direct and the pooled URL of one plane lead to one database."""
    for plane in ("control_plane", "data_plane"):
        pair = _pair(results, f"postgres.{plane}.direct", f"postgres.{plane}.pooled", "database")
        if pair and not _is_one_database(*pair):
            direct, pooled = pair
            message = f"the direct URL leads to {_words(direct)}, the pooled URL to {_words(pooled)}"
            yield pooled.name, _finding(DIFFERENT_DATABASES, message, pair, origins)


def shared_by_planes(results: Results, origins: Mapping[str, Origin]) -> Iterator[Found]:
    """Both planes in one database: allowed, and good to know."""
    pair = _pair(results, "postgres.control_plane.direct", "postgres.data_plane.direct", "database")
    if pair and _is_one_database(*pair):
        yield pair[1].name, _finding(SHARED_BY_PLANES, f"both planes share {_words(pair[0])}", pair, origins)


def mixed_releases(results: Results, origins: Mapping[str, Origin]) -> Iterator[Found]:
    """Both APIs are of one release."""
    pair = _pair(results, f"{_API}.internal", "services.data_plane_api.internal", "release") or _pair(
        results, f"{_API}.public", "services.data_plane_api.internal", "release"
    )
    if pair and _release(pair[0]) != _release(pair[1]):
        control, data = map(_release, pair)
        message = (
            f"the control-plane API is of release {foreign(str(control))}, the data-plane API of {foreign(str(data))}"
        )
        yield pair[1].name, _finding(MIXED_RELEASES, message, pair, origins)


def public_differs(results: Results, origins: Mapping[str, Origin]) -> Iterator[Found]:
    """The public URL of the API leads to the release that the internal one leads to."""
    pair = _pair(results, f"{_API}.internal", f"{_API}.public", "release")
    if pair and _release(pair[0]) != _release(pair[1]):
        internal, public = map(_release, pair)
        message = (
            f"the internal URL leads to release {foreign(str(internal))}, the public URL to {foreign(str(public))}"
        )
        yield pair[1].name, _finding(PUBLIC_DIFFERS, message, pair, origins)


COMPARISONS: tuple[Callable[[Results, Mapping[str, Origin]], Iterator[Found]], ...] = (
    different_databases,
    shared_by_planes,
    mixed_releases,
    public_differs,
)


def _pair(results: Results, first: str, second: str, fact: str) -> tuple[Result, Result] | None:
    """Both results, where both hold the fact that is compared."""
    one, other = results.get(first), results.get(second)
    return (one, other) if one and other and fact in one.facts and fact in other.facts else None


def _is_one_database(first: Result, second: Result) -> bool:
    """Whether two results describe one database: of one name and oid, in one server or in one and its replica."""
    one, other = first.facts, second.facts
    if any(one[name] != other[name] for name in ("database", "database_name")):
        return False
    if one["system"] and other["system"] and one["system"] != other["system"]:
        return False
    # Restored and promoted copies keep the identifier: two writable servers that started apart are two.
    return one["started"] == other["started"] or bool(one["in_recovery"] or other["in_recovery"])


def _release(result: Result) -> object:
    return result.facts["release"]


def _words(result: Result) -> str:
    return f"database {foreign(str(result.facts['database_name']))} ({result.target})"


def _finding(cause: Cause, message: str, pair: tuple[Result, Result], origins: Mapping[str, Origin]) -> Finding:
    keys = tuple(result.keys[0] for result in pair)  # the URL: every kind names it first
    hint = filled(cause.hint, {"blamed": keys}, partial(with_origin, origins=origins))
    return Finding(cause.id, cause.layer, cause.status, message, hint, keys)
