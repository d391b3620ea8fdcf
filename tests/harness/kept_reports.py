"""Reports as the command keeps them, of a deployment in which some resources are there and some are not."""

import json
from collections.abc import Mapping
from pathlib import Path

from preflight import check, render
from tests.harness import configs, faults

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"


def kept(folder: Path, name: str, changes: Mapping[str, object], **options: object) -> Path:
    """A run's report, as ``folder/name.json``; only what the options select, in this environment alone."""
    configuration = configs.write(folder, changes)
    file = folder / f"{name}.json"
    file.write_text(render(check(configuration, environ={}, **options), "json"))  # type: ignore[arg-type]
    return file


def kept_refused(folder: Path, name: str, **options: object) -> Path:
    """The report of a Valkey at a port on which nothing listens."""
    with faults.refused_port() as port:
        return kept(folder, name, {URL: f"redis://{faults.LOOPBACK}:{port}"}, only="kv.*", **options)


def changed(file: Path, name: str, **members: object) -> Path:
    """The same report with other members, beside it."""
    document = json.loads(file.read_text()) | members
    copy = file.with_name(f"{name}.json")
    copy.write_text(json.dumps(document))
    return copy
