"""The input of the rules: the problems of a report, and how far each check came."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from checks.core.finding import ADDRESSES, HOST, PORT, Layer, Status
from preflight.report.incidents.model import Problem

if TYPE_CHECKING:
    from preflight.report.result import Result

_ORDER = [*Layer]


@dataclass(frozen=True)
class Observations:
    """The results of a run, and what follows from them without a guess."""

    results: tuple[Result, ...]

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Every finding that warns or fails, and the checks that could not be made, in the order of the report."""
        pairs = [(result, finding) for result in self.results for finding in result.findings]
        return tuple(
            Problem(number, result, finding)
            for number, (result, finding) in enumerate(pairs)
            if finding.status >= Status.WARN or finding.id.endswith(f".{Layer.CONFIG}")
        )

    @cached_property
    def failures(self) -> Mapping[str, Problem]:
        """The failure that ended each check, by the name of the check."""
        failed = [problem for problem in self.problems if problem.finding.status is Status.FAIL]
        return {problem.check: problem for problem in reversed(failed)}

    def with_id(self, ids: Collection[str]) -> tuple[Problem, ...]:
        """The problems with one of these ids."""
        return tuple(problem for problem in self.problems if problem.id in ids)


def host(result: Result) -> str:
    """The host of its server; "" if it has none."""
    return str(result.facts.get(HOST, ""))


def server_address(result: Result) -> tuple[str, object]:
    """The host and port of its server."""
    return host(result), result.facts.get(PORT)


def addresses(result: Result) -> str:
    """The addresses of its host, or the host where they are not known."""
    return str(result.facts.get(ADDRESSES) or host(result))


def is_remote(result: Result) -> bool:
    """Whether its server is on another machine, as far as its name and address show."""
    known = addresses(result).split()
    return bool(known) and host(result) != "localhost" and not any(_is_loopback(each) for each in known)


def is_named(result: Result) -> bool:
    """Whether a name server is asked for its host."""
    return bool(host(result)) and host(result) != "localhost" and _address(host(result)) is None


def passed(result: Result, layer: Layer) -> bool:
    """Whether the layer, or one above it, was reached and did not fail."""
    above = _ORDER[_ORDER.index(layer) :]
    is_ended_here = any(each.layer is layer and each.status is Status.FAIL for each in result.findings)
    return not is_ended_here and any(each.layer in above and each.status != Status.SKIP for each in result.findings)


def parent_domain(name: str) -> str:
    """What follows the first dot of a host name; "" if there is none."""
    return name.partition(".")[2].rstrip(".")


def _is_loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
