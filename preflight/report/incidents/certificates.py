"""Rules about certificates and times: an issuer that several servers share, and this machine's clock."""

from __future__ import annotations

from collections.abc import Iterator

from checks.core.clock_skew import AHEAD
from checks.core.finding import ISSUER
from checks.core.text import foreign
from preflight.grouping import grouped
from preflight.report.incidents.causes import CLOCK, PRIVATE_AUTHORITY
from preflight.report.incidents.model import Fact, Link
from preflight.report.incidents.observations import Observations, host

_DATED = {"tls.expired", "tls.issuer-expired", "tls.not-yet-valid", "tls.clock-suspect", "object-store.clock-skew"}
_SIGNED = {"tunnel.token-rejected", "tunnel.bootstrap-rejected", "publish.access-token-rejected"}  # tokens hold a time
_MAX_SKEW = 120.0  # seconds: less than what every server tolerates
_TOLERANCE = 60.0  # seconds: how exactly servers agree


def private_authority(observed: Observations) -> Iterator[Link]:
    """Several servers show certificates of one issuer, which is not trusted."""
    untrusted = grouped(observed.with_id({"tls.untrusted"}), lambda problem: problem.result.facts.get(ISSUER))
    for issuer, problems in untrusted.items():
        if issuer and (count := len({host(problem.result) for problem in problems})) > 1:
            text = f"{count} hosts show certificates of {foreign(str(issuer), 120)}, which nothing here trusts"
            yield from Fact(PRIVATE_AUTHORITY, tuple(problems), text).links()


def clock(observed: Observations) -> Iterator[Link]:
    """This machine's clock differs from the servers', and certificates or signatures are refused for their times."""
    skews = {
        host(result): ahead
        for result in observed.results
        if isinstance(ahead := result.facts.get(AHEAD), int | float) and abs(ahead) > _MAX_SKEW
    }
    problems = observed.with_id(_DATED)
    if skews and len(problems) + len(skews) > 2:
        median = sorted(skews.values())[len(skews) // 2]
        agree = [ahead for ahead in skews.values() if abs(ahead - median) < _TOLERANCE]
        servers = "that of 1 server" if len(agree) == 1 else f"those of {len(agree)} servers"
        text = f"this machine's clock is {_span(median)} {servers}"
        yield from Fact(CLOCK, (*problems, *observed.with_id(_SIGNED)), text, is_certain=len(agree) > 1).links()


def suspect_clock(observed: Observations) -> Iterator[Link]:
    """No server sends its time, but all certificates are refused for their dates."""
    for suspect in observed.with_id({"tls.clock-suspect"}):
        for problem in observed.with_id(_DATED - {suspect.id}):
            yield Link(problem, suspect, "all certificates are refused for their dates, those of several servers")


def _span(ahead: float) -> str:
    size, units = abs(ahead), (("days", 86_400), ("hours", 3600))
    unit, seconds = next((pair for pair in units if size >= 1.9 * pair[1]), ("minutes", 60))
    return f"{size / seconds:.0f} {unit} {'ahead of' if ahead > 0 else 'behind'}"
