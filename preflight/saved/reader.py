"""Reads reports that were saved as JSON. A file may come from anywhere, so nothing in it is trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from checks.core import files
from checks.core.finding import Finding, Layer, Status
from checks.core.remedy import Remedy
from checks.core.text import clean
from preflight.config.origin import InReport
from preflight.report.model import KeyVerdict
from preflight.report.result import Result, fact

_MAX_BYTES = 4 << 20  # many times the report of the largest deployment
_MAX_FINDINGS = 1000  # of one check, which has a few layers; in a configuration every line may be wrong
_MAX_TEXT = 4096  # characters


class SavedReportError(Exception):
    """A file is no report. The message is one line."""


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """A report that was read. ``started_at`` is UTC, as the file has it; ``seconds`` is the duration of its run."""

    name: str
    version: str
    ready: bool
    stage: str
    service: str | None
    started_at: str
    seconds: float
    results: tuple[Result, ...]
    keys: tuple[KeyVerdict, ...]

    @property
    def checked(self) -> frozenset[str]:
        """The names of the checks that ran."""
        return frozenset(result.name for result in self.results if result.status is not Status.SKIP)


def read(path: Path, name: str = "", seconds: float = 10.0) -> SavedReport:
    """Read a report of version 1 from a file or a pipe, within ``seconds``. ``name`` (default: the file's) labels it.

    Raises SavedReportError.
    """
    try:
        content = files.read(path, _MAX_BYTES, seconds)
    except files.UnreadableFile as error:
        raise SavedReportError(f"{path} {error}") from None
    return parse(content, name or path.name, str(path))


def parse(content: bytes, name: str, source: str) -> SavedReport:
    """The report in this JSON document. ``source`` is where it comes from, for messages. Raises SavedReportError."""
    try:
        tree = json.loads(content, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise SavedReportError(f"{source} is not JSON; write it with --format json={Path(source).name}") from None
    try:
        _validate(tree)
        return _report(tree, clean(name, 100))
    except ValueError as error:
        message = f"{source} is not a report of mistle-preflight (--format json): {clean(str(error))}"
        raise SavedReportError(message) from None


def _finite(text: str) -> float:
    """The number. Raises ValueError for NaN, infinity and numbers that are too large for a float."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _validate(tree: Any) -> None:
    """Validate against report.schema.json. Raises ValueError for the first error."""
    from jsonschema_rs import Draft202012Validator, ValidationError

    schema = json.loads(resources.files("preflight").joinpath("report.schema.json").read_text(encoding="utf-8"))
    try:
        Draft202012Validator(schema).validate(tree)
    except ValidationError as error:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        raise ValueError(f"${''.join(steps)}: {error.message}") from None


def _report(tree: dict[str, Any], name: str) -> SavedReport:
    return SavedReport(
        name=name,
        version=_text(tree["version"]),
        ready=tree["ready"],
        stage=tree["stage"],
        service=tree["service"],
        started_at=tree["started_at"],
        seconds=tree["seconds"],
        results=tuple(map(_result, tree["checks"])),
        keys=tuple(map(_verdict, tree["keys"])),
    )


def _result(tree: dict[str, Any]) -> Result:
    if tree["kind"] != "config" and len(tree["findings"]) > _MAX_FINDINGS:
        raise ValueError(f"check {tree['name']} has more than {_MAX_FINDINGS} findings")
    return Result(
        name=_text(tree["name"]),
        kind=tree["kind"],
        target=_text(tree["target"]),
        keys=_texts(tree["keys"]),
        findings=tuple(map(_finding, tree["findings"])),
        seconds=tree["seconds"],
        facts={_text(name): fact(value, _MAX_TEXT) for name, value in tree.get("facts", {}).items()},
        services=_texts(tree.get("services", ())),
    )


def _finding(tree: dict[str, Any]) -> Finding:
    return Finding(
        id=tree["id"],
        layer=Layer(tree["layer"]),
        status=_status(tree["status"]),
        message=_text(tree["message"]),
        hint=_text(tree["hint"]),
        fields=_texts(tree["keys"]),
        seconds=tree["seconds"],
        remedies=tuple(map(_remedy, tree.get("remedies", ()))),
    )


def _remedy(tree: dict[str, Any]) -> Remedy:
    """Raises ValueError if the command is not a line that every format shows as it is."""
    return Remedy(tree["tool"], tree["where"], tree["command"])


def _verdict(tree: dict[str, Any]) -> KeyVerdict:
    return KeyVerdict(
        key=_text(tree["key"]),
        status=_status(tree["status"]),
        evidence=tree["evidence"],
        origin=None if tree["origin"] is None else InReport(_text(tree["origin"])),
        findings=tuple(tree["findings"]),
        checks=_texts(tree["checks"]),
    )


def _status(name: str) -> Status:
    return Status[name.upper()]


def _text(value: object) -> str:
    return clean(str(value), _MAX_TEXT)


def _texts(values: list[object] | tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(_text, values))
