"""JSON documents, and the members that several of them share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.finding import Finding
    from preflight.report.incidents.model import Incident
    from preflight.report.model import KeyVerdict
    from preflight.saved.reader import SavedReport


def finding_members(finding: Finding) -> dict[str, object]:
    """A finding, without its time."""
    return {
        "id": finding.id,
        "layer": finding.layer,
        "status": str(finding.status),
        "message": finding.message,
        "hint": finding.hint,
        "keys": finding.fields,
        **({"remedies": [vars(remedy) for remedy in finding.remedies]} if finding.remedies else {}),
    }


def incident_members(incident: Incident) -> dict[str, object]:
    """An incident: its cause, and the findings that follow."""
    return {
        "root_cause": {"id": incident.root.id, "keys": incident.root.keys, "checks": incident.root.checks},
        "certainty": incident.certainty,
        "status": str(incident.status),
        "why": incident.why,
        "hint": incident.root.hint,
        "remedies": [vars(remedy) for remedy in incident.root.remedies],
        "consequences": [{"check": each.check, "id": each.id} for each in incident.consequences],
    }


def verdict_members(verdict: KeyVerdict) -> dict[str, object]:
    """The verdict on a key, without the key's name."""
    return {
        "status": str(verdict.status),
        "evidence": verdict.evidence,
        "origin": verdict.origin and str(verdict.origin),
        "findings": verdict.findings,
    }


def report_members(report: SavedReport) -> dict[str, object]:
    """A report that was compared or merged, without its checks and keys."""
    return {
        "name": report.name,
        "ready": report.ready,
        "stage": report.stage,
        "service": report.service,
        "started_at": report.started_at,
    }


def to_json(tree: object) -> str:
    """The text of one document. Raises ValueError for NaN and Infinity, which JSON does not have."""
    return json.dumps(tree, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
