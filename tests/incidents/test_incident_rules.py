"""What holds for all rules, and what they must not claim."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.clock_skew import AHEAD
from checks.core.finding import ADDRESSES, HOST, ISSUER, PORT, Finding, Layer, Status
from preflight.demo.servers.mistle import Gateway, Service, control_plane_api, data_plane_api
from preflight.plan.resources import RESOURCES
from preflight.reference.catalogue import names
from preflight.report.incidents import rules
from preflight.report.incidents.finder import find
from preflight.report.incidents.model import Problem
from preflight.report.result import Result
from tests.harness import deployments, faults
from tests.harness.profiles import long
from tests.incidents import bench as at
from tests.incidents.bench import API, DATA_API, DIRECT, KV, OTHER_HOST, POOLED, Bench, Scene, Values
from tests.incidents.test_incidents import assert_each_problem_has_one, checked
from tests.testbed import postgres_server
from tests.testbed.web import web_server

FOLDER = Path(rules.__file__).parent
NAMED = re.compile(r'"([a-z0-9-]+\.[a-z0-9-]+)"')


def test_every_id_of_a_rule_is_one_of_the_catalogue() -> None:
    ids = {id_ for file in FOLDER.glob("*.py") for id_ in NAMED.findall(file.read_text())}
    assert len(ids) > 30
    assert ids - {resource.name for resource in RESOURCES} <= {*names()}


def result(name: str, *findings: Finding, **facts: object) -> Result:
    return Result(name, "any", "target", (f"{name}_url",), findings, facts=facts)


def failed(id_: str, layer: Layer, name: str = DIRECT, status: Status = Status.FAIL) -> Finding:
    return Finding(id_, layer, status, "what was seen", "what to do", (f"{name}_url",))


def test_report_without_problems_has_no_incident() -> None:
    assert find(()) == ()
    assert find([result(DIRECT, failed("postgres.connect", Layer.CONNECT, status=Status.OK))]) == ()


def test_lone_problem_is_its_own_cause() -> None:
    (incident,) = find([result(DIRECT, failed("postgres.password-rejected", Layer.AUTH))])
    assert isinstance(incident.root, Problem)
    assert (incident.root.id, incident.consequences) == ("postgres.password-rejected", ())
    assert (incident.certainty, incident.why) == ("certain", "what was seen")


def test_failures_come_before_warnings() -> None:
    warning = result(KV, failed("network.far", Layer.FITNESS, KV, Status.WARN))
    assert [each.status for each in find([warning, result(DIRECT, failed("network.reset", Layer.CONNECT))])] == [
        Status.FAIL,
        Status.WARN,
    ]


def test_finding_that_explains_one_that_explains_it_is_a_cause() -> None:
    """Each API says that it cannot use the other: no cycle."""
    found = find(
        [
            result(f"{at.API}", failed("control-plane-api.data-plane-unreachable", Layer.ACCESS, API)),
            result(DATA_API, failed("data-plane-api.postgres-unreachable", Layer.ACCESS, DATA_API)),
        ]
    )
    assert sum(len(incident.consequences) + 1 for incident in found) == 2


IDS = [*names(), "incident.clock", "a.config", "another.id"]
FACTS = st.fixed_dictionaries(
    {},
    optional={
        HOST: st.sampled_from(["", "localhost", "10.0.0.1", "::1", "a.zone", "b.zone", "*.zone", "a", ".", None]),
        PORT: st.sampled_from([0, 5432, None, "x"]),
        ADDRESSES: st.sampled_from(["", "10.0.0.1", "10.0.0.1 10.0.0.2", "127.0.0.1 ::1", "none"]),
        AHEAD: st.sampled_from([0, 7200, -7200.5, "late", None, True]),
        ISSUER: st.sampled_from(["", "CN=one", None]),
    },
)
KEYS = st.lists(st.sampled_from(["kv.data_plane.url", "nonsense", "services.dashboard.public_url"]), max_size=2)
FINDINGS = st.builds(
    Finding,
    st.sampled_from(IDS),
    st.sampled_from(Layer),
    st.sampled_from(Status),
    st.sampled_from(["", "did you mean kv.data_plane.url?", "did you mean nonsense?"]),
    fields=KEYS.map(tuple),
)
RESULTS = st.builds(
    Result,
    st.sampled_from([resource.name for resource in RESOURCES] + ["config", ""]),
    st.sampled_from(["config", "postgres"]),
    st.just("target"),
    KEYS.map(tuple),
    st.lists(FINDINGS, min_size=1, max_size=3).map(tuple),
    facts=FACTS,
    credential=st.sampled_from(["", "a", "b"]),
)


@given(results=st.lists(RESULTS, max_size=12))
def test_every_problem_of_any_report_has_one_incident(results: list[Result]) -> None:
    """A report that was read may be anything."""
    assert_each_problem_has_one(deployments.report(results))


# What no rule may claim

OTHER = control_plane_api(Service(token="a-token-of-another-installation-0"))


def _one_port_of_a_host(bench: Bench) -> Mapping[str, Values]:
    """Another port of the host works."""
    closed = bench.start(faults.refused_port())
    return at.postgres_at(f"127.0.0.1:{closed}") | at.valkey_at(f"127.0.0.1:{bench.valkey.port}")


def _silent_and_refused(bench: Bench) -> Mapping[str, Values]:
    """The host is up: it refuses on one port, and a firewall drops what goes to the other."""
    silent, closed = bench.start(faults.black_hole(OTHER_HOST)), bench.start(faults.refused_port())
    return at.postgres_at(f"{OTHER_HOST}:{silent}") | at.valkey_at(f"{OTHER_HOST}:{closed}")


def _password_of_one_server(bench: Bench) -> Mapping[str, Values]:
    """The same user and password are right at another server."""
    other = bench.start(postgres_server())
    user, password = bench.postgres.name, bench.postgres.url().split(":")[2].partition("@")[0]
    login = f"{user}:{password}"
    elsewhere = f"127.0.0.1:{other.port}"
    return (
        {DIRECT: {f"{DIRECT}_url": bench.postgres.url()}}
        | at.postgres_at(elsewhere, POOLED, login)
        | at.postgres_at(elsewhere, at.DATA_POOLED, login)
    )


def _token_of_one_service(bench: Bench) -> Mapping[str, Values]:
    """The other service accepts the token."""
    right, wrong = bench.start(web_server(data_plane_api())).port, bench.start(web_server(OTHER)).port
    other = {f"{API}_url": f"http://127.0.0.1:{wrong}"}
    return at.service_at(DATA_API, right) | {API: other}


def _token_of_two_services(bench: Bench) -> Mapping[str, Values]:
    """Two services run with another token than the third, which accepts this one."""
    gateway = bench.start(web_server(Gateway(Service(token="a-third-token")).application())).port
    return dict(_token_of_one_service(bench)) | {at.GATEWAY: {f"{at.GATEWAY}_url": f"http://127.0.0.1:{gateway}"}}


UNCLAIMED = [
    (_one_port_of_a_host, "incident.host-down"),
    (_silent_and_refused, "incident.host-down"),
    (_token_of_one_service, "incident.token-wrong-here"),
    pytest.param(_token_of_two_services, "incident.token-wrong-here", marks=long),
    pytest.param(_password_of_one_server, "incident.password-changed", marks=long),
]


@pytest.mark.parametrize(("make", "unclaimed"), UNCLAIMED)
def test_fact_that_something_refutes_is_not_claimed(
    make: at.Make, unclaimed: str, bench: Bench, tmp_path: Path
) -> None:
    found = checked(Scene("", make, "", frozenset(), limit=2), bench, tmp_path)
    assert_each_problem_has_one(found)
    assert unclaimed not in {incident.root.id for incident in found.incidents}, found.incidents
    assert not found.ready
