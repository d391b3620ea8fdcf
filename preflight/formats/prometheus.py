"""For the textfile collector of node_exporter: one series for each check and each key, in any status.

Labels hold names, never messages: so the number of series depends on the configuration alone. All series have the
labels ``stage`` and ``service``: the files of several runs of one deployment can be in one folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from checks.core.finding import Status
from checks.core.text import clean

if TYPE_CHECKING:
    from preflight.report.model import Report

    Labels = tuple[str, ...]
    Samples = Iterable[tuple[Labels, float]]

_STATUSES = ", ".join(f"{status.value} {status}" for status in Status)


class Metric(NamedTuple):
    """A gauge. ``name`` has no prefix; ``labels`` are its own; ``samples`` are made from a report."""

    name: str
    help: str
    labels: Labels
    samples: Callable[[Report], Samples]


def _findings(report: Report) -> Samples:
    return Counter(
        (finding.id, str(finding.status)) for finding in report.findings if finding.status >= Status.WARN
    ).items()


METRICS = (
    Metric("info", "The version of mistle-preflight, always 1.", ("version",), lambda report: [((report.version,), 1)]),
    Metric("ready", "Whether the run's exit code is 0.", (), lambda report: [((), report.ready)]),
    Metric("exit_code", "The run's exit code.", (), lambda report: [((), report.exit_code)]),
    Metric(
        "last_run_timestamp_seconds",
        "When the run started, in seconds since the epoch.",
        (),
        lambda report: [((), report.started_at.timestamp())],
    ),
    Metric("run_duration_seconds", "How long the run took.", (), lambda report: [((), report.seconds)]),
    Metric(
        "check_status",
        f"The status of a check: {_STATUSES}.",
        ("check", "kind"),
        lambda report: [((result.name, result.kind), result.status) for result in report.results],
    ),
    Metric(
        "check_duration_seconds",
        "How long a check took.",
        ("check", "kind"),
        lambda report: [((result.name, result.kind), result.seconds) for result in report.results],
    ),
    Metric(
        "key_status",
        f"The verdict on a configuration key: {_STATUSES}.",
        ("key",),
        lambda report: [((verdict.key,), verdict.status) for verdict in report.keys],
    ),
    Metric(
        "key_probed",
        "Whether a probe used the value of a configuration key.",
        ("key",),
        lambda report: [((verdict.key,), verdict.evidence == "probed") for verdict in report.keys],
    ),
    Metric("findings", "The number of warnings and failures with this id.", ("id", "status"), _findings),
)


class _Metrics(Collector):
    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each metric with its samples. If cleaning makes the labels of two samples equal, the worse one is kept."""
        common = {"stage": self._report.stage, "service": self._report.service or ""}
        for name, help_, labels, samples in METRICS:
            family = GaugeMetricFamily(f"mistle_preflight_{name}", help_, labels=(*labels, *common))
            for values, value in _distinct(samples(self._report)).items():
                family.add_metric([*values, *map(clean, common.values())], value)
            yield family


def _distinct(samples: Samples) -> Mapping[Labels, float]:
    distinct: dict[Labels, float] = {}
    for values, value in samples:
        labels = tuple(map(clean, values))
        distinct[labels] = max(float(value), distinct.get(labels, 0.0))
    return distinct


def render(report: Report) -> str:
    """Metrics in Prometheus's text format."""
    return generate_latest(_Metrics(report)).decode()
