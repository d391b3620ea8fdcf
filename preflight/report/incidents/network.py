"""Rules about the network: this machine's, its name server, a zone, a host, one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Layer
from preflight.grouping import grouped
from preflight.report.incidents.causes import HOST_DOWN, NAME_SERVER, NO_NETWORK, ZONE
from preflight.report.incidents.model import Fact, Link, Problem
from preflight.report.incidents.observations import (
    Observations,
    addresses,
    host,
    is_named,
    is_remote,
    parent_domain,
    passed,
    server_address,
)

if TYPE_CHECKING:
    from preflight.report.result import Result

_NO_REPLY = {"network.dns-timeout", "network.dns-failed"}  # of a name server
_NAMES = {"network.name-not-found", *_NO_REPLY}
_LOST = {"network.timeout", "network.unreachable"}
_REFUSED = {"network.refused"}
_FORBIDDEN = {"network.not-permitted"}  # reported by this machine itself; a router far away may report "unreachable"


def no_network(observed: Observations) -> Iterator[Link]:
    """Everything that is not on this machine fails to connect."""
    remote = [result for result in observed.results if is_remote(result) and _was_tried(observed, result)]
    lost = _failed_with(observed, remote, {*_LOST, *_FORBIDDEN, *_NO_REPLY})
    ids = {problem.id for problem in lost}
    if len(_hosts(remote)) > 1 and len(lost) == len(remote) and not ids <= _NO_REPLY:
        text = f"none of the {len(_hosts(remote))} hosts beyond this machine can be reached"
        yield from Fact(NO_NETWORK, (*lost, *_registry(observed)), text, is_certain=ids == _FORBIDDEN).links()


def name_server(observed: Observations) -> Iterator[Link]:
    """No look-up of any name gets a reply."""
    named = [result for result in observed.results if is_named(result) and _was_looked_up(observed, result)]
    unanswered = _failed_with(observed, named, _NO_REPLY)
    if len(_hosts(named)) > 1 and len(unanswered) == len(named):
        text = f"none of the {len(_hosts(named))} names gets a reply"
        is_certain = len({parent_domain(name) for name in _hosts(named)}) > 1
        yield from Fact(NAME_SERVER, (*unanswered, *_registry(observed)), text, is_certain).links()


def zone(observed: Observations) -> Iterator[Link]:
    """No name of a domain can be looked up."""
    named = [result for result in observed.results if is_named(result) and _was_looked_up(observed, result)]
    for name, members in grouped(named, lambda result: parent_domain(host(result))).items():
        unknown = _failed_with(observed, members, _NAMES)
        if len(_hosts(members)) > 1 and len(unknown) == len(members):
            of = f"of the domain {name}" if name else "without a domain"
            yield from Fact(ZONE, unknown, f"none of the {len(_hosts(members))} names {of} can be looked up").links()


def host_down(observed: Observations) -> Iterator[Link]:
    """Every port of a host is silent; or every port refuses connections: then the host may be up."""
    tried = [result for result in observed.results if host(result) and _was_tried(observed, result)]
    for members in grouped(tried, addresses).values():
        for ids, does in ((_LOST, "can be reached"), (_REFUSED, "accepts a connection")):
            failed = _failed_with(observed, members, ids)
            ports = {server_address(result)[1] for result in members}
            if len(ports) > 1 and len(failed) == len(members):
                text = f"none of the {len(ports)} ports of {host(members[0])} {does}"
                yield from Fact(HOST_DOWN, failed, text, is_certain=ids is _LOST).links()


def same_name(observed: Observations) -> Iterator[Link]:
    """Several checks fail to look up one name."""
    unknown = [problem for problem in observed.with_id(_NAMES) if host(problem.result)]
    for name, members in grouped(unknown, lambda problem: host(problem.result)).items():
        yield from _to_first(members, f"it is the same name, {name}")


def same_server(observed: Observations) -> Iterator[Link]:
    """Several checks of one server find the same."""
    placed = [problem for problem in observed.problems if host(problem.result)]
    for (where, _, _), members in grouped(placed, _same_at_server).items():
        yield from _to_first(members, f"it is the same server, {where[0]}:{where[1]}")


def _same_at_server(problem: Problem) -> tuple[tuple[str, object], str, str]:
    is_of_network = problem.finding.layer in {Layer.DNS, Layer.CONNECT, Layer.TLS}
    return server_address(problem.result), problem.id, "" if is_of_network else problem.finding.message


def _to_first(problems: list[Problem], why: str) -> Iterator[Link]:
    first, *others = problems
    return (Link(other, first, why, is_certain=True) for other in others)


def _was_tried(observed: Observations, result: Result) -> bool:
    """Whether a connection was tried, or its name could not be looked up."""
    return passed(result, Layer.CONNECT) or _ended_at(observed, result) in {Layer.DNS, Layer.CONNECT}


def _was_looked_up(observed: Observations, result: Result) -> bool:
    return passed(result, Layer.DNS) or _ended_at(observed, result) is Layer.DNS


def _ended_at(observed: Observations, result: Result) -> Layer | None:
    failure = observed.failures.get(result.name)
    return failure.finding.layer if failure else None


def _failed_with(observed: Observations, results: Iterable[Result], ids: set[str]) -> tuple[Problem, ...]:
    failures = (observed.failures.get(result.name) for result in results)
    return tuple(each for each in failures if each and each.id in ids)


def _registry(observed: Observations) -> tuple[Problem, ...]:
    """The image's registry, which Docker's daemon asks through the same network."""
    return observed.with_id({"docker.registry-unreachable"})


def _hosts(results: Iterable[Result]) -> set[str]:
    return {host(result) for result in results}
