"""Debian's Prometheus, with files in its /files: `prometheus.yml` and what that names. For the long profile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from tests.testbed import versions
from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import answers


@dataclass(frozen=True)
class Prometheus(Server):
    def alerts(self, state: str) -> set[str]:
        """The names of the alerts in this state: pending or firing."""
        found = self._get("alerts")["alerts"]
        return {each["labels"]["alertname"] for each in found if each["state"] == state}

    def value(self, query: str) -> float | None:
        """The value of the one series; None if there is none yet."""
        found = self._get(f"query?query={quote(query)}")["result"]
        return float(found[0]["value"][1]) if found else None

    def _get(self, path: str) -> Any:
        with urlopen(f"http://{self.host}:{self.port}/api/v1/{path}", timeout=30) as reply:
            return json.load(reply)["data"]


@contextmanager
def prometheus_server(files: Mapping[str, bytes]) -> Iterator[Prometheus]:
    def is_ready(port: int) -> None:
        answers(f"http://{LOOPBACK}:{port}/-/ready")

    image = versions.image("long/prometheus", "trixie")
    with running(image, [], 9090, is_ready, files) as fields:
        yield Prometheus(*fields)
