"""Rules about secrets that several checks use."""

from __future__ import annotations

from collections.abc import Iterator

from checks.core.finding import Layer
from preflight.grouping import grouped
from preflight.report.incidents.causes import PASSWORD_CHANGED, TOKEN_WRONG_HERE
from preflight.report.incidents.model import Fact, Link
from preflight.report.incidents.observations import Observations, passed

_TOKEN_REJECTED = "http.token-rejected"  # noqa: S105 - the id of a finding
_SHARED_TOKEN = "internal_auth.shared_token.token"  # noqa: S105 - the name of a key


def one_password(observed: Observations) -> Iterator[Link]:
    """Every Postgres URL with the same user and password is refused."""
    by_login = grouped(observed.results, lambda result: result.credential)
    refused = {problem.check: problem for problem in observed.with_id({"postgres.password-rejected"})}
    for login, results in by_login.items():
        problems = tuple(refused[result.name] for result in results if result.name in refused)
        if login and len(problems) > 1 and not any(passed(result, Layer.AUTH) for result in results):
            text = f"the same user and password are refused at all {len(problems)} URLs that have them"
            yield from Fact(PASSWORD_CHANGED, problems, text).links()


def shared_token(observed: Observations) -> Iterator[Link]:
    """Every service that was asked refuses the shared token."""
    refused = observed.with_id({_TOKEN_REJECTED})
    names = {problem.check for problem in refused}
    others = [result for result in observed.results if _SHARED_TOKEN in result.keys and result.name not in names]
    if len(refused) > 1 and not any(passed(result, Layer.AUTH) for result in others):
        text = f"all {len(refused)} services that were asked refuse the shared token"
        yield from Fact(TOKEN_WRONG_HERE, refused, text).links()


def one_key(observed: Observations) -> Iterator[Link]:
    """Several checks find the same, and blame the same keys; each service has a shared token of its own."""
    problems = (
        problem
        for problem in observed.problems
        if problem.finding.layer is not Layer.CONFIG and problem.id != _TOKEN_REJECTED
    )
    by_keys = grouped(problems, lambda problem: (problem.id, problem.keys))
    for (_, keys), (first, *others) in by_keys.items():
        yield from (Link(other, first, "both blame the same keys") for other in others if keys)
