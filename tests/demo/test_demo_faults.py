"""The demo's deployment is healthy, and each of its faults gives the diagnosis that it should."""

import re
from pathlib import Path

import pytest

from checks.core.finding import Status
from preflight import check
from preflight.demo.client import Demo, running
from preflight.demo.configuration import configuration, example
from preflight.demo.faults import FAULTS
from preflight.report.model import Report
from preflight.run.signals import Signals
from tests.harness import profiles

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TOGETHER = (
    ("pooler", "valkey-acl", "bucket", "smtp-password", "token", "cors", "docker-network", "publish-domain"),
    (
        *("postgres-password", "valkey-password", "s3-secret", "smtp-secure", "tunnel", "bootstrap", "release"),
        *("master-key", "publish-cookie"),
    ),
    ("postgres-read-only", "valkey-evicts", "clock", "smtp-port", "migrations", "data-plane"),
)
"""Faults that do not hide one another, so that three deployments are enough."""


def reported(*names: str) -> Report:
    with running(names, Signals(), lambda _line: None) as demo:
        return check(demo.config, environ={}, ca_file=demo.ca_file)


def problems(report: Report) -> set[str]:
    """Without what the command does not report, because it is true of every demo."""
    found = {finding.id for result in report.results for finding in result.findings if finding.status >= Status.WARN}
    return found - set(Demo.unreported)


def test_every_fault_is_made() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(FAULTS)


@profiles.quick
def test_demo_is_healthy() -> None:
    report = reported()
    assert (report.exit_code, problems(report)) == (0, set())
    assert {result.kind for result in report.results} > {"postgres", "valkey", "object_store", "smtp", "docker", "otlp"}
    shown = re.findall(r"^  ✓ (\S+) +(probed|validated) ", README, re.MULTILINE)
    assert sorted(shown) == sorted((verdict.key, verdict.evidence) for verdict in report.keys)
    probed = sum(verdict.evidence == "probed" for verdict in report.keys)
    assert f"Of the example's {len(report.keys)} keys, {probed} are probed" in README


@pytest.mark.parametrize("names", TOGETHER, ids="+".join)
def test_faults_are_found(names: tuple[str, ...]) -> None:
    assert problems(reported(*names)) >= {FAULTS[name].finding for name in names}


@profiles.long
@pytest.mark.parametrize("name", FAULTS)
def test_fault_alone_is_found(name: str) -> None:
    """Besides, only what follows from it: a gateway whose Valkey refuses it, a pooler where the server should be,
    a token that the gateway does not get.
    """
    follows = {"gateway.valkey-unreachable", "postgres.urls-swapped", "tunnel.query-dropped"}
    assert problems(reported(name)) - follows == {FAULTS[name].finding}


def test_configuration_keeps_the_lines_of_the_example(tmp_path: Path) -> None:
    text = configuration({"email.smtp.port": 2525, "services.control_plane_api.auth.trusted_origins": ["http://a"]})
    changed = [(a, b) for a, b in zip(example().splitlines(), text.splitlines(), strict=True) if a != b]
    assert [(before.split(" = ")[0], after.split("#")[0].strip()) for before, after in changed] == [
        ("trusted_origins", 'trusted_origins = ["http://a"]'),
        ("port", "port = 2525"),
    ]


def test_configuration_refuses_a_key_that_the_example_does_not_set() -> None:
    with pytest.raises(KeyError, match=r"email\.smtp\.ports"):
        configuration({"email.smtp.ports": 1})
