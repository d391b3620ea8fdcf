"""Replaces dozens of findings that have one reason by one finding, as for the configuration of another Mistle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.finding import Cause, Finding, Status
from checks.core.text import marked
from preflight.config import causes
from preflight.config.schema.types import shown
from preflight.config.validation.findings import blamed_keys, replaced, with_causes
from preflight.config.validation.without_file import without_file
from preflight.version import KNOWN_MISTLE

if TYPE_CHECKING:
    from preflight.config.sources.origins import Origins

_OLDER_NAMES = "MISTLE_APPS_"
_NAMED = 4  # keys in a message
_APART = 3  # findings of one reason: with more, one finding replaces them
_MANY = (
    (causes.UNRESOLVED_REFERENCE, "hold references that nothing replaced"),
    (causes.NO_VALUE, "hold a word for a value that does not exist"),
    (causes.QUOTED, "have quotes, which are part of the value"),
)


@dataclass(frozen=True)
class _Shape:
    """The file of another Mistle. ``marks``: unknown keys that only it has; ``also``: keys that others have too;
    ``without``: by mark, the section whose keys such a file does not have.
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


def combined(
    findings: Iterable[Finding], origins: Origins, variables: Mapping[str, str], service: str | None = None
) -> tuple[Finding, ...]:
    """The findings, with those that have one reason replaced by one. ``variables``: all that are set; ``service``: the
    one that the configuration is for, if it is for one.
    """
    kept = tuple(dict.fromkeys(findings))
    if not origins.file:
        kept = _older_variables(without_file(kept, origins, variables, service), origins, variables)
    for shape in _SHAPES:
        kept = _other_shape(shape, kept, origins)
    for cause, description in _MANY:
        for status in (Status.FAIL, Status.WARN):
            kept = _never_filled(cause, status, description, kept, origins)
    return kept


def _never_filled(
    cause: Cause, status: Status, description: str, findings: tuple[Finding, ...], origins: Origins
) -> tuple[Finding, ...]:
    """Many values of one form, as a template or an env file leaves them. The example is one that may be shown."""
    many = [finding for finding in with_causes(findings, cause) if finding.status is status]
    if len(many) <= _APART:
        return findings
    example = next((finding for finding in many if ": " in finding.message), many[0])
    text = marked(example.message).map_own(str)
    message = f"{len(blamed_keys(many))} values {description}: for example, {example.fields[0]} {text}"
    return replaced(findings, many, origins.finding(cause, *blamed_keys(many), message=message, status=status))


def _other_shape(shape: _Shape, findings: tuple[Finding, ...], origins: Origins) -> tuple[Finding, ...]:
    unknown = with_causes(findings, causes.UNKNOWN_KEY)
    marks = [finding for finding in unknown if shape.marks.fullmatch(finding.fields[0])]
    if not marks:
        return findings
    also = [finding for finding in unknown if finding not in marks and shape.also.fullmatch(finding.fields[0])]
    sections = tuple(section for mark, section in shape.without if mark in blamed_keys(marks))
    missing = [
        each for each in with_causes(findings, causes.MISSING) if sections and each.fields[0].startswith(sections)
    ]
    named = blamed_keys([*marks, *also])
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    lacks = f"; {len(blamed_keys(missing))} keys are missing for the same reason" if missing else ""
    first, *others = named[:_NAMED]
    examples = ", ".join((f"{first} in {origins.position(first)}", *others))
    message = (
        f"the file has the shape of {shape.age} Mistle, with {examples}{more}{lacks}; "
        f"this tool knows Mistle's {KNOWN_MISTLE}, which {shape.difference}"
    )
    finding = origins.finding(causes.OTHER_SHAPE, *named, *blamed_keys(missing), message=message)
    return replaced(findings, [*marks, *also, *missing], finding)


def _older_variables(
    findings: tuple[Finding, ...], origins: Origins, variables: Mapping[str, str]
) -> tuple[Finding, ...]:
    names = sorted(name for name in variables if name.removeprefix(_OLDER_NAMES) not in {name, ""})
    missing = with_causes(findings, causes.MISSING)
    if not names or not missing:
        return findings
    message = (
        f"the variables are those of an older Mistle, such as {shown(names[0])}: their names begin with "
        f"MISTLE_SERVICES_ now; {len(blamed_keys(missing))} keys are missing for the same reason; "
        f"this tool knows Mistle's {KNOWN_MISTLE}"
    )
    return replaced(findings, missing, origins.finding(causes.OTHER_SHAPE, *blamed_keys(missing), message=message))
