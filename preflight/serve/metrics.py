"""The metrics of the server itself, which follow those of the last run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from preflight.serve.state import ServedState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "mistle_preflight_serve"


class _Own(Collector):
    def __init__(self, state: ServedState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """The metrics of the last run exist only when the first run has ended."""
        state = self._state
        yield GaugeMetricFamily(f"{_PREFIX}_interval_seconds", "How often the checks run.", state.every)
        runs = CounterMetricFamily(f"{_PREFIX}_runs", "Runs since the start, by exit code.", labels=("exit_code",))
        for code, count in state.codes.items():
            runs.add_metric([str(code)], count)
        yield runs
        if last := state.last:
            age = time.monotonic() - last.ended
            yield GaugeMetricFamily(f"{_PREFIX}_last_run_age_seconds", "How long ago the last run ended.", age)
            yield GaugeMetricFamily(f"{_PREFIX}_last_run_exit_code", "The exit code of the last run.", last.code)


def metrics(state: ServedState) -> bytes:
    """The metrics of the last run, and of the server, in Prometheus's text format."""
    return (state.last.documents["prometheus"] if state.last else b"") + generate_latest(_Own(state))
