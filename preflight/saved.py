"""Reports that were kept as JSON, read back. They may come from anywhere: nothing in them is trusted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from checks.base import Finding, Layer, Status
from checks.words import clean
from preflight.report import KeyVerdict, Result

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT = 64 * 1024 * 1024  # bytes: a hundred times the report of the largest deployment
_WORDS = 4096  # characters of one text


class SavedReportError(Exception):
    """A file is not a report; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """What a report for machines says. ``started_at`` is UTC, as it is written there; ``facts`` are small values."""

    name: str
    version: str
    ready: bool
    stage: str
    service: str | None
    started_at: str
    seconds: float
    results: tuple[Result, ...]
    keys: tuple[KeyVerdict, ...]


def read(path: Path, name: str = "") -> SavedReport:
    """The report in a file, of version 1, called ``name`` (default: the file's). Raises SavedReportError."""
    tree = _tree(path)
    try:
        _validate(tree)
        return _document(tree, clean(name or path.name, 100))
    except (ValueError, RecursionError) as error:
        raise SavedReportError(
            f"{path} is not a report of mistle-preflight (--format json): {clean(str(error))}"
        ) from None


def _tree(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise SavedReportError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > _LIMIT:
        raise SavedReportError(f"{path} is larger than {_LIMIT // 1024 // 1024} MiB: that is no report")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise SavedReportError(f"{path} is not JSON; write it with --format json={path.name}") from None


def _validate(tree: Any) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(files("preflight").joinpath("report.schema.json").read_text())
    if wrong := best_match(Draft202012Validator(schema).iter_errors(tree)):
        raise ValueError(f"{wrong.json_path}: {wrong.message}")


def _document(tree: dict[str, Any], name: str) -> SavedReport:
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
    return Result(
        name=_text(tree["name"]),
        kind=tree["kind"],
        target=_text(tree["target"]),
        keys=_texts(tree["keys"]),
        findings=tuple(map(_finding, tree["findings"])),
        seconds=tree["seconds"],
        facts={_text(name): _text(value) for name, value in tree.get("facts", {}).items()},
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
    )


def _verdict(tree: dict[str, Any]) -> KeyVerdict:
    return KeyVerdict(
        key=_text(tree["key"]),
        status=_status(tree["status"]),
        evidence=tree["evidence"],
        origin=None if tree["origin"] is None else _text(tree["origin"]),
        findings=tuple(tree["findings"]),
        checks=_texts(tree["checks"]),
    )


def _status(name: str) -> Status:
    return Status[name.upper()]


def _text(value: object) -> str:
    return clean(str(value), _WORDS)


def _texts(values: list[object] | tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(_text, values))
