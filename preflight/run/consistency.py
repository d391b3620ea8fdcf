"""Findings that need two results: pure functions over results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import combinations
from typing import NoReturn

from checks.core.finding import Cause, Finding, Status
from checks.core.text import foreign
from checks.http_service.causes import MIXED_RELEASES, PUBLIC_DIFFERS
from checks.net.tls_errors import CLOCK_SUSPECT, EXPIRED, ISSUER_EXPIRED, NOT_YET_VALID
from checks.postgres.inspection.addresses import server_text as postgres_text
from checks.postgres.inspection.causes import DIFFERENT_DATABASES, SEVERAL_SERVERS, SHARED_BY_PLANES, URLS_SWAPPED
from checks.tunnel.causes import QUERY_DROPPED, TOKEN_REJECTED
from checks.valkey.addresses import server_text
from checks.valkey.causes import SEVERAL_SERVERS as SEVERAL_VALKEYS
from preflight.config import edits
from preflight.config.hints import filled, with_origin
from preflight.config.origin import Origin
from preflight.report.incidents.observations import host, server_address
from preflight.report.result import Result

Addition = tuple[str, Finding]  # the name of the check that gets the finding
Results = Mapping[str, Result]
_POSTGRES = tuple(
    f"postgres.{plane}.{way}" for plane in ("control_plane", "data_plane") for way in ("direct", "pooled")
)
_SERVER = ("system", "started", "in_recovery")  # facts that tell a Postgres from another
_API = "services.control_plane_api"
_OF_DATES = {EXPIRED.id, ISSUER_EXPIRED.id, NOT_YET_VALID.id}


def _raise(error: BaseException) -> NoReturn:
    raise error


def compare(
    results: tuple[Result, ...], origins: Mapping[str, Origin], on_bug: Callable[[BaseException], object] = _raise
) -> tuple[Result, ...]:
    """The results with the findings of all comparisons. ``on_bug`` gets a bug of one: it hides no other."""
    by_name = {result.name: result for result in results}
    additions: list[Addition] = []
    for comparison in COMPARISONS:
        try:
            additions += comparison(by_name, origins)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            on_bug(error)
    return tuple(
        replace(
            result,
            findings=tuple(finding for finding in result.findings if not _is_replaced(finding, result.name, additions))
            + tuple(finding for name, finding in additions if name == result.name),
        )
        for result in results
    )


def _is_replaced(finding: Finding, name: str, additions: list[Addition]) -> bool:
    """Whether a comparison has found a better cause for the finding of this check."""
    return any(name == other and REPLACES.get(added.id) == finding.id for other, added in additions)


def different_databases(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """The direct and the pooled URL of a plane must lead to one database."""
    for plane in ("control_plane", "data_plane"):
        pair = _pair(results, f"postgres.{plane}.direct", f"postgres.{plane}.pooled", "database")
        if pair and not _is_one_database(*pair) and not _is_one_address(*pair):
            direct, pooled = pair
            message = f"the direct URL leads to {_database(direct)}, the pooled URL to {_database(pooled)}"
            yield pooled.name, _finding(DIFFERENT_DATABASES, message, pair, origins)


def several_servers(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """One address must lead to one server, on each connection."""
    for first, second in combinations([name for name in _POSTGRES if name in results], 2):
        pair = _pair(results, first, second, "database")
        if pair and _is_one_address(*pair) and not _is_one_server(*pair):
            one, other = (postgres_text(*map(result.facts.get, _SERVER)) for result in pair)
            message = f"two connections to {pair[0].target} reached different servers: {one}, and {other}"
            yield pair[1].name, _finding(SEVERAL_SERVERS, message, pair, origins)
            return


def several_valkeys(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """The same of Valkey, where both planes name one address."""
    pair = _pair(results, "kv.control_plane", "kv.data_plane", "run_id")
    if pair and len({result.target.partition("/")[0] for result in pair}) == 1:
        ids = {result.facts["run_id"] for result in pair}
        if len(ids) > 1 and None not in ids:
            address = pair[0].target.partition("/")[0]
            one, other = (server_text(result.facts) for result in pair)
            message = f"two connections to {address} reached different servers: {one}, and {other}"
            yield pair[1].name, _finding(SEVERAL_VALKEYS, message, pair, origins)


def urls_swapped(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """The direct URL leads to a pooler, and the pooled URL to a server."""
    for plane in ("control_plane", "data_plane"):
        pair = _pair(results, f"postgres.{plane}.direct", f"postgres.{plane}.pooled", "pooled")
        if pair and [result.facts["pooled"] for result in pair] == [True, False]:
            message = f"a pooler answers at {pair[0].target}, the direct URL, and none at {pair[1].target}"
            made = edits.exchange(*(origins.get(result.keys[0]) for result in pair))
            yield pair[0].name, replace(_finding(URLS_SWAPPED, message, pair, origins), remedies=made)


def shared_by_planes(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """Both planes may be in one database; the report names it."""
    pair = _pair(results, "postgres.control_plane.direct", "postgres.data_plane.direct", "database")
    if pair and _is_one_database(*pair):
        yield pair[1].name, _finding(SHARED_BY_PLANES, f"both planes share {_database(pair[0])}", pair, origins)


def mixed_releases(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """Both APIs must be of one release."""
    pair = _pair(results, f"{_API}.internal", "services.data_plane_api.internal", "release") or _pair(
        results, f"{_API}.public", "services.data_plane_api.internal", "release"
    )
    if pair and (releases := _different_releases(pair)):
        message = f"the control-plane API is of release {releases[0]}, the data-plane API of {releases[1]}"
        yield pair[1].name, _finding(MIXED_RELEASES, message, pair, origins)


def public_differs(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """The public and the internal URL of the API must lead to one release."""
    pair = _pair(results, f"{_API}.internal", f"{_API}.public", "release")
    if pair and (releases := _different_releases(pair)):
        message = f"the internal URL leads to release {releases[0]}, the public URL to {releases[1]}"
        yield pair[1].name, _finding(PUBLIC_DIFFERS, message, pair, origins)


def clock_suspect(results: Results, _origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """If all certificates, of two servers or more, are refused for their dates, it is probably this machine's clock."""
    refused = [result for result in results.values() if any(f.id in _OF_DATES for f in result.findings)]
    is_right = any("certificate_expires" in result.facts for result in results.values())
    if not is_right and len({server_address(result) if host(result) else result.target for result in refused}) > 1:
        message = f"all {len(refused)} certificates are refused for their dates; this machine's clock shows {_now()}"
        cause = CLOCK_SUSPECT
        yield refused[0].name, Finding(cause.id, cause.layer, cause.status, message, cause.hint)


def query_dropped(results: Results, origins: Mapping[str, Origin]) -> Iterator[Addition]:
    """A connect token that one URL of the gateway refuses, and the other accepts, is right: it did not arrive."""
    ways = [results.get(f"services.data_plane_gateway.sandbox_ws_{way}") for way in ("public", "internal")]
    for refused, accepted in (ways, ways[::-1]):
        if refused and accepted and _has(refused, TOKEN_REJECTED.id) and _has(accepted, "tunnel.auth", Status.OK):
            message = "a connect token is refused at this URL, and accepted at the gateway's other URL"
            yield refused.name, _finding(QUERY_DROPPED, message, (refused,), origins)


REPLACES = {QUERY_DROPPED.id: TOKEN_REJECTED.id}  # the finding that takes the place of another one of the same check


def _has(result: Result, id_: str, status: Status = Status.FAIL) -> bool:
    return any((finding.id, finding.status) == (id_, status) for finding in result.findings)


COMPARISONS: tuple[Callable[[Results, Mapping[str, Origin]], Iterator[Addition]], ...] = (
    different_databases,
    several_servers,
    several_valkeys,
    urls_swapped,
    shared_by_planes,
    mixed_releases,
    public_differs,
    clock_suspect,
    query_dropped,
)


def _pair(results: Results, first: str, second: str, fact: str) -> tuple[Result, Result] | None:
    """Both results, if both have the fact that is compared."""
    one, other = results.get(first), results.get(second)
    return (one, other) if one and other and fact in one.facts and fact in other.facts else None


def _is_one_database(first: Result, second: Result) -> bool:
    """Whether two results describe one database: same name and oid, on one server or on a server and its replica."""
    one, other = first.facts, second.facts
    if any(one[name] != other[name] for name in ("database", "database_name")):
        return False
    if one["system"] and other["system"] and one["system"] != other["system"]:
        return False
    # Restored and promoted copies keep the identifier: two writable servers that started apart are two.
    return one["started"] == other["started"] or bool(one["in_recovery"] or other["in_recovery"])


def _is_one_address(first: Result, second: Result) -> bool:
    return first.target == second.target


def _is_one_server(first: Result, second: Result) -> bool:
    return all(first.facts[name] == second.facts[name] for name in _SERVER)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _different_releases(pair: tuple[Result, Result]) -> tuple[str, ...]:
    """The releases of both, if they differ."""
    one, other = (result.facts["release"] for result in pair)
    return () if one == other else (foreign(str(one)), foreign(str(other)))


def _database(result: Result) -> str:
    return f"database {foreign(str(result.facts['database_name']))} ({result.target})"


def _finding(cause: Cause, message: str, pair: tuple[Result, ...], origins: Mapping[str, Origin]) -> Finding:
    keys = tuple(result.keys[0] for result in pair)  # the URL: it is the first key of every kind
    hint = filled(cause.hint, {"blamed": keys, "url": keys}, partial(with_origin, origins=origins))
    return Finding(cause.id, cause.layer, cause.status, message, hint, keys)
