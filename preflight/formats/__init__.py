"""The formats of everything that a command prints: one module for each, with ``render(document) -> str``, pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

Destination = tuple[str, Path | None]  # a format, and its file or standard output

FORMATS = {
    "text": "preflight.formats.text",
    "json": "preflight.formats.json",
    "junit": "preflight.formats.junit",
    "github": "preflight.formats.github",
    "markdown": "preflight.formats.markdown",
    "prometheus": "preflight.formats.prometheus",
    "html": "preflight.formats.html",
    "sarif": "preflight.formats.sarif",
}
"""The formats of a report: names and modules. The first is the default."""

SEVERAL = "config of several files"
BY_COMMAND: Mapping[str, Mapping[str, str]] = {
    "explain": {"text": "preflight.formats.explanation.text", "json": "preflight.formats.explanation.json"},
    "diff": {
        "text": "preflight.formats.diff.text",
        "json": "preflight.formats.diff.json",
        "markdown": "preflight.formats.diff.markdown",
    },
    "merge": {
        "text": "preflight.formats.merge.text",
        "json": "preflight.formats.merge.json",
        "markdown": "preflight.formats.merge.markdown",
        "html": "preflight.formats.merge.html",
    },
    SEVERAL: {"text": "preflight.formats.several.text", "sarif": "preflight.formats.several.sarif"},
    "completion": {"text": "preflight.formats.script"},
    "schema": {"text": "preflight.formats.script", "json": "preflight.formats.script"},
}
"""The formats of the commands that do not print a report."""


def for_command(command: str) -> Mapping[str, str]:
    """The formats of a command."""
    return BY_COMMAND.get(command, FORMATS)


def renderer(name: str, formats: Mapping[str, str] = FORMATS) -> Callable[[Any], str]:
    """The function that renders a format. Its module, and the library that it uses, are imported only now."""
    module: Any = import_module(formats[name])
    render: Callable[[Any], str] = module.render
    return render
