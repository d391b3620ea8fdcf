"""For programs: JSON of version 1, its schema in the package (report.schema.json); keys and origins, never values."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from preflight.formats.shared.documents import finding_members, incident_members, to_json, verdict_members

if TYPE_CHECKING:
    from preflight.report.model import Report
    from preflight.report.result import Result

SCHEMA = "mistle-preflight/1"


def render(report: Report) -> str:
    """One JSON document."""
    document = {
        "schema": SCHEMA,
        "version": report.version,
        "ready": report.ready,
        "stage": report.stage,
        "service": report.service,
        "started_at": report.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": report.seconds,
        "counts": report.counts,
        "checks": [_check(result) for result in report.results],
        "incidents": [incident_members(incident) for incident in report.incidents],
        "keys": [{"key": verdict.key, **verdict_members(verdict), "checks": verdict.checks} for verdict in report.keys],
    }
    return to_json(document)


def _check(result: Result) -> dict[str, object]:
    return {
        "name": result.name,
        "kind": result.kind,
        "target": result.target,
        "status": str(result.status),
        "seconds": result.seconds,
        "keys": result.keys,
        "services": result.services,
        "facts": dict(result.facts),
        "findings": [finding_members(finding) | {"seconds": finding.seconds} for finding in result.findings],
    }
