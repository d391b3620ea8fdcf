"""One finding in place of dozens that have one reason: another Mistle's file, the single container, placeholders."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from checks.core.check import Status
from preflight.config import causes
from preflight.config.schema.keys import UNREAD_ALONE
from preflight.config.schema.types import shown
from preflight.version import KNOWN_MISTLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from checks.core.check import Cause, Finding
    from preflight.config.sources.origins import Origins

_CONTAINER = ("MISTLE_DOCKER_IMAGE", "MISTLE_COMPOSE_PROJECT_NAME", "MISTLE_GENERATED_CONFIG_PATH")
_GENERATED = "/run/mistle/config.toml"
_OLDER_NAMES = "MISTLE_APPS_"
_NAMED = 4  # keys in a message


@dataclass(frozen=True)
class _Shape:
    """The file of another Mistle. ``marks``: unknown keys that only it has; ``also``: keys that others have too;
    ``without``: the sections whose missing keys it does not have, by the mark that tells.
    """

    age: str
    difference: str
    marks: re.Pattern[str]
    also: re.Pattern[str]
    without: tuple[tuple[str, str], ...]


_SHAPES = (
    _Shape(
        "an older",
        "has [services.*] in place of [apps.*], and sections of their own for what [global] held",
        re.compile(r"apps|global\.(telemetry|internal_auth|sandbox)|services\.tokenizer_proxy"),
        re.compile(r"global\..+|sandbox\.tokens\.egress"),
        (("apps", ""), ("global.telemetry", "telemetry."), ("global.sandbox", "sandbox.")),
    ),
    _Shape(
        "a newer",
        "has no such keys, and chooses by sandbox.provider and [sandbox.storage]",
        re.compile(
            r"billing|gateway_relay|sandbox\.\w+\.enabled|sandbox\.tokens\.(egress|pty_transport)"
            r"|services\.dashboard\.posthog|services\.control_plane_api\.mcp|(.+\.)?workflow_database_pool_max"
        ),
        re.compile(r"sandbox\.tensorlake"),
        (("sandbox.docker.enabled", "sandbox."), ("sandbox.e2b.enabled", "sandbox.")),
    ),
)


def gathered(findings: Iterable[Finding], origins: Origins, variables: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings, with those that have one reason replaced by one. ``variables``: all that are set."""
    kept = tuple(finding if origins.file else _alone(finding) for finding in dict.fromkeys(findings))
    kept = _single_container(kept, origins, variables)
    kept = _older_variables(kept, origins, variables)
    for shape in _SHAPES:
        kept = _other_shape(shape, kept, origins)
    return kept


def _alone(finding: Finding) -> Finding:
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
    moot = _of(findings, causes.MISSING, causes.BLANK_OVERRIDE)
    if origins.file or not marks or not moot:
        return findings
    path = variables.get("MISTLE_GENERATED_CONFIG_PATH", "").strip() or _GENERATED
    message = (
        f"{marks[0]} is set: these are the variables of the single container, which writes {shown(path)} from them, "
        f"from defaults and from secrets of its own; {len(_keys(moot))} keys are only there"
    )
    return _replaced(findings, moot, origins.finding(causes.SINGLE_CONTAINER, *_keys(moot), message=message))


def _other_shape(shape: _Shape, findings: tuple[Finding, ...], origins: Origins) -> tuple[Finding, ...]:
    unknown = _of(findings, causes.UNKNOWN_KEY)
    marks = [finding for finding in unknown if shape.marks.fullmatch(finding.fields[0])]
    if not marks:
        return findings
    also = [finding for finding in unknown if finding not in marks and shape.also.fullmatch(finding.fields[0])]
    sections = tuple(section for mark, section in shape.without if mark in _keys(marks))
    missing = [each for each in _of(findings, causes.MISSING) if sections and each.fields[0].startswith(sections)]
    named = _keys([*marks, *also])
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    lacks = f"; {len(_keys(missing))} keys are missing for the same reason" if missing else ""
    message = (
        f"the file has the shape of {shape.age} Mistle, with {', '.join(named[:_NAMED])}{more}{lacks}; "
        f"this tool knows Mistle's {KNOWN_MISTLE}, which {shape.difference}"
    )
    finding = origins.finding(causes.OTHER_SHAPE, *named, *_keys(missing), message=message)
    return _replaced(findings, [*marks, *also, *missing], finding)


def _older_variables(
    findings: tuple[Finding, ...], origins: Origins, variables: Mapping[str, str]
) -> tuple[Finding, ...]:
    names = sorted(name for name in variables if name.startswith(_OLDER_NAMES))
    missing = _of(findings, causes.MISSING)
    if origins.file or not names or not missing:
        return findings
    message = (
        f"the variables are those of an older Mistle, such as {shown(names[0])}: their names begin with "
        f"MISTLE_SERVICES_ now; {len(_keys(missing))} keys are missing for the same reason; "
        f"this tool knows Mistle's {KNOWN_MISTLE}"
    )
    return _replaced(findings, missing, origins.finding(causes.OTHER_SHAPE, *_keys(missing), message=message))


def _of(findings: Iterable[Finding], *wanted: Cause) -> list[Finding]:
    ids = {cause.id for cause in wanted}
    return [finding for finding in findings if finding.id in ids]


def _keys(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for finding in findings for key in finding.fields))


def _replaced(findings: tuple[Finding, ...], moot: Collection[Finding], by: Finding) -> tuple[Finding, ...]:
    return (by, *(finding for finding in findings if finding not in moot))
