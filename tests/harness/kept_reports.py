"""Reports as the command keeps them, of a deployment in which some resources are there and some are not."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from preflight import check, render
from tests.harness import configs

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"


def closed_ports(count: int) -> Iterator[int]:
    """Ports on which nothing listens."""
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        with closing(holder):
            holder.bind(("127.0.0.1", 0))
            yield holder.getsockname()[1]


def kept(folder: Path, name: str, changes: Mapping[str, object], **options: object) -> Path:
    """A run's report, as ``folder/name.json``; only what the options select, in this environment alone."""
    configuration = configs.write(folder, changes)
    file = folder / f"{name}.json"
    file.write_text(render(check(configuration, environ={}, **options), "json"))  # type: ignore[arg-type]
    return file


def changed(file: Path, name: str, **members: object) -> Path:
    """The same report with other members, beside it."""
    document = json.loads(file.read_text()) | members
    copy = file.with_name(f"{name}.json")
    copy.write_text(json.dumps(document))
    return copy
