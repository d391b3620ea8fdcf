"""Reports of many shapes, of all resources, for the tests of formats and for pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from checks.core.finding import Finding, Layer, Status
from preflight.config.origin import InFile, InReport
from preflight.plan.resource import Resource
from preflight.plan.resources import RESOURCES
from preflight.report.model import Report
from preflight.report.result import Result
from preflight.report.verdicts import verdicts
from tests.harness.reports import REPORT

LAYERS = (Layer.DNS, Layer.CONNECT, Layer.AUTH, Layer.ACCESS, Layer.FITNESS)
CONFIG = Result(
    "config", "config", "mistle.toml", (), (Finding("config.config", Layer.CONFIG, Status.OK, "74 keys are valid"),)
)

UNPROBED = ("global.env", "telemetry.enabled")

Findings = Mapping[str, Finding]
"""The finding that ends a check, or warns in it, by the name of the check."""

REJECTED = Finding(
    "valkey.password-rejected",
    Layer.AUTH,
    Status.FAIL,
    "the server reports: invalid username-password pair or user is disabled.",
    "correct the user name and password in kv.data_plane.url (mistle.toml:102)",
    ("kv.data_plane.url",),
    0.0134,
)
REFUSED = Finding(
    "network.refused",
    Layer.CONNECT,
    Status.WARN,
    "connection refused by 127.0.0.1:4318",
    "start the service, or correct the host and port in telemetry.traces.endpoint (mistle.toml:15)",
    ("telemetry.traces.endpoint",),
    0.0011,
)
POOLER = Finding(
    "postgres.pooler-on-direct-url",
    Layer.FITNESS,
    Status.FAIL,
    "a pooler answers: the session is not the server process's own",
    "name the Postgres server itself in postgres.data_plane.direct_url (mistle.toml:91)",
    ("postgres.data_plane.direct_url",),
    0.0002,
)
BROKEN = {"kv.data_plane": REJECTED, "telemetry.traces": REFUSED, "postgres.data_plane.direct": POOLER}
MISSING = Finding(
    "config.missing", Layer.CONFIG, Status.FAIL, "is required", "set email.smtp.host", ("email.smtp.host",)
)
UNKNOWN = Finding(
    "config.unknown-key", Layer.CONFIG, Status.FAIL, "Mistle has no such key", "remove it", ("sandbox.dokcer",)
)


def report(results: Sequence[Result], **about: object) -> Report:
    """A report of a run, with the keys that the results name."""
    keys = dict.fromkeys((*UNPROBED, *(key for result in results for key in result.keys)))
    origins = {key: InFile("mistle.toml", number) for number, key in enumerate(keys, 5)}
    members = {"results": tuple(results), "keys": verdicts(keys, tuple(results), origins), "file": None}
    return replace(REPORT, **{**members, **about})  # type: ignore[arg-type]


def deployment(findings: Findings | None = None, resources: Sequence[Resource] = RESOURCES, **about: object) -> Report:
    """A report of every resource; each check ends at its finding in `findings`."""
    return report([CONFIG, *(_result(each, (findings or {}).get(each.name)) for each in resources)], **about)


def planned() -> Report:
    """The report of `plan`."""
    waiting = (Finding("x.dns", layer, Status.SKIP, "it would be tried") for layer in LAYERS)
    layers = tuple(waiting)
    results = [replace(_result(each), findings=layers, seconds=0.0) for each in RESOURCES]
    return report([CONFIG, *results], command="plan", detail=1)


def relabelled(text: str, shape: Report | None = None) -> Report:
    """A report with this text in every place that holds one."""
    shown = shape or deployment(BROKEN, service=None)
    results = tuple(_relabelled(text, result) for result in shown.results)
    keys = tuple(
        replace(verdict, key=f"{text}{number}", origin=InReport(text), findings=(text,), checks=(text,))
        for number, verdict in enumerate(shown.keys)
    )
    about = {"version": text, "command": text, "config": text, "stage": text}
    return replace(shown, results=results, keys=keys, ignored=frozenset({text}), **about)


def _relabelled(text: str, result: Result) -> Result:
    findings = tuple(
        replace(finding, id=text, message=text, hint=text, fields=(f"{text}0", text)) for finding in result.findings
    )
    return replace(
        result,
        name=text,
        kind=f"{text}{result.kind}",
        target=text,
        keys=(f"{text}0", text),
        findings=findings,
        facts={text: text},
        services=tuple(f"{text}{service}" for service in result.services),
    )


def _result(resource: Resource, last: Finding | None = None) -> Result:
    order = list(Layer)
    ends = order.index(last.layer) if last else len(order)
    findings = [
        _finding(resource, layer, order.index(layer) > ends) for layer in LAYERS if not (last and layer is last.layer)
    ]
    findings += [last] if last else []
    return Result(
        name=resource.name,
        kind=resource.kind,
        target=f"{resource.kind}.example.internal:{1000 + 7 * RESOURCES.index(resource)}",
        keys=resource.keys,
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.layer))),
        seconds=0.02 + 0.013 * RESOURCES.index(resource),
        facts={"version": 170002, "pooled": False},
        services=tuple(sorted(resource.services)),
    )


def _finding(resource: Resource, layer: Layer, above: bool) -> Finding:
    id_ = f"{resource.kind.replace('_', '-')}.{layer}"
    if above:
        return Finding(id_, layer, Status.SKIP, "not reached")
    return Finding(id_, layer, Status.OK, f"{layer} held", "", resource.keys, 0.004)


LONG = "a_name_without_any_end_" * 12
SHAPES: Mapping[str, Report] = {
    "ready": deployment(),
    "broken": deployment(BROKEN),
    "verbose": deployment(BROKEN, detail=1),
    "quiet": deployment(BROKEN, detail=-1),
    "as one service sees it": deployment(
        BROKEN, [each for each in RESOURCES if "data_plane_gateway" in each.services], service="data_plane_gateway"
    ),
    "one check": deployment(BROKEN, [each for each in RESOURCES if each.name == "kv.data_plane"]),
    "plan": planned(),
    "configuration alone": report([replace(CONFIG, keys=("global.env",))], command="config"),
    "configuration errors": report(
        [replace(CONFIG, findings=(MISSING, UNKNOWN), keys=("email.smtp.host", "sandbox.dokcer"))], command="config"
    ),
    "interrupted": report(
        [replace(CONFIG, findings=(Finding("run.interrupted", Layer.CONFIG, Status.SKIP, "interrupted"),))],
        signal=2,
        config=None,
    ),
    "ignored": deployment(
        BROKEN | {"kv.data_plane": replace(REJECTED, status=Status.WARN)}, ignored=frozenset({REJECTED.id})
    ),
    "long": relabelled(LONG),
}
