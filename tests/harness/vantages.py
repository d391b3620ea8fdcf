"""Merged reports of many shapes: deployments, each seen from several machines."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from preflight.formats import renderer
from preflight.plan.resources import RESOURCES
from preflight.report.model import Report
from preflight.saved.merge import MergedReport, merge
from preflight.saved.reader import SavedReport, read
from tests.harness import deployments
from tests.harness.deployments import BROKEN, POOLER, REFUSED, REJECTED


def kept(name: str, report: Report, *, infix: str = "") -> SavedReport:
    """The report, written to a file and read back; the infix makes its names longer."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        text = renderer("json")(report).replace("_plane.", f"_plane.{infix}")
        file.write_text(text.replace(" the ", f" {infix}the "))
        return read(file, name)


def seen_by(service: str, findings: deployments.Findings | None = None, name: str = "") -> SavedReport:
    """The report of one service: the resources that it uses."""
    used = [each for each in RESOURCES if service in each.services]
    return kept(name or service, deployments.deployment(findings, used, service=service))


def of_whole_deployment(name: str, findings: deployments.Findings | None = None) -> SavedReport:
    """The report of the whole deployment from one machine."""
    return kept(name, deployments.deployment(findings))


GATEWAY, API, WORKER = "data_plane_gateway", "control_plane_api", "data_plane_worker"
TRACES, VALKEY, MAIL = FEW = tuple(
    each for name in ("telemetry.traces", "kv.data_plane", "email.smtp") for each in RESOURCES if each.name == name
)
LONG = "a_name_without_any_end_" * 4
SHAPES: Mapping[str, MergedReport] = {
    "ready": merge((of_whole_deployment("laptop"), seen_by(API))),
    "broken": merge(
        (
            of_whole_deployment("laptop", BROKEN),
            seen_by(API, {"telemetry.traces": REFUSED}),
            seen_by(GATEWAY, {"kv.data_plane": REJECTED, "telemetry.traces": REFUSED}, "node-a"),
            seen_by(GATEWAY, {"kv.data_plane": REJECTED}, "node-b"),
        )
    ),
    "few": merge(
        (
            kept("laptop", deployments.deployment(BROKEN, FEW)),
            kept("node", deployments.deployment({"kv.data_plane": REJECTED}, (TRACES, VALKEY), service=GATEWAY)),
            kept("worker", deployments.deployment(None, (TRACES, MAIL), service="control_plane_worker")),
        )
    ),
    "services alone": merge((seen_by(API), seen_by(WORKER, {"postgres.data_plane.direct": POOLER}))),
    "interrupted": merge(
        (
            seen_by(API),
            kept("cut", replace(deployments.SHAPES["interrupted"], service=GATEWAY)),
        )
    ),
    "nothing alike": merge(
        (
            kept("file", deployments.SHAPES["configuration errors"]),
            kept("one check", deployments.SHAPES["one check"]),
        )
    ),
    "eight": merge(
        tuple(of_whole_deployment(f"node-{letter}", BROKEN if letter in "bdf" else None) for letter in "abcdefgh")
    ),
    "long": merge((of_whole_deployment(LONG), kept(f"{LONG}2", deployments.SHAPES["broken"], infix=LONG * 3))),
}
