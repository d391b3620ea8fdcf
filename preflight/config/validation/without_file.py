"""Rules for a configuration without a file: variables alone configure Mistle, or are those of the single container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from preflight.config import causes
from preflight.config.schema.tables import UNREAD_ALONE
from preflight.config.schema.types import shown
from preflight.config.validation.findings import blamed_keys, replaced, with_causes

if TYPE_CHECKING:
    from preflight.config.sources.origins import Origins

GENERATED = "/run/mistle/config.toml"  # the file that the single container makes
_CONTAINER = ("MISTLE_DOCKER_IMAGE", "MISTLE_COMPOSE_PROJECT_NAME", "MISTLE_GENERATED_CONFIG_PATH")
_READ_BY = {
    f"{plane}_migrations": (f"postgres.{plane}.direct_url", "telemetry.") for plane in ("control_plane", "data_plane")
}


def without_file(
    findings: tuple[Finding, ...], origins: Origins, variables: Mapping[str, str], service: str | None
) -> tuple[Finding, ...]:
    """The findings of a configuration without a file. ``variables``: all that are set."""
    kept = tuple(map(_unread, findings))
    return _migrations(_single_container(kept, origins, variables), origins, service)


def _unread(finding: Finding) -> Finding:
    """Without a file, no service reads some of the keys: what is wrong with them is a warning."""
    is_unread = bool(finding.fields) and all(key.startswith(UNREAD_ALONE) for key in finding.fields)
    if not is_unread or finding.status < Status.FAIL:
        return finding
    message = f"{finding.message} (without a file, no service reads the key)"
    return replace(finding, status=Status.WARN, message=message)


def _single_container(
    findings: tuple[Finding, ...], origins: Origins, variables: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Without a file, the variables of the single container do not configure its processes."""
    marks = [name for name in _CONTAINER if name in variables]
    moot = with_causes(findings, causes.MISSING, causes.BLANK_OVERRIDE)
    if not marks or not moot:
        return findings
    path = variables.get("MISTLE_GENERATED_CONFIG_PATH", "").strip() or GENERATED
    message = (
        f"{marks[0]} is set: these are the variables of the single container, which writes {shown(path)} from them, "
        f"from defaults and from secrets of its own; {len(blamed_keys(moot))} keys are only there"
    )
    return replaced(findings, moot, origins.finding(causes.SINGLE_CONTAINER, *blamed_keys(moot), message=message))


def _migrations(findings: tuple[Finding, ...], origins: Origins, service: str | None) -> tuple[Finding, ...]:
    """Without a file, a migration job reads few keys: the others need not be set where it runs."""
    read = _READ_BY.get(service or "", "")
    moot = [finding for finding in with_causes(findings, causes.MISSING) if not finding.fields[0].startswith(read)]
    if not moot:
        return findings
    message = f"{len(moot)} keys are not set; without a file, {service} reads none of them"
    finding = origins.finding(causes.MISSING, *blamed_keys(moot), message=message, status=Status.WARN)
    return replaced(findings, moot, replace(finding, hint="set them where Mistle's services run"))
