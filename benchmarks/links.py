"""A far-away demo: its servers behind a link that holds every packet."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from preflight.demo.client import Demo
from tests.harness.far_network import FAR, far_network
from tests.testbed.names import with_files

Result = TypeVar("Result")
_PORT = re.compile(r"localhost:(\d+)|^port = (\d+)", re.MULTILINE)


@contextmanager
def far(demo: Demo, round_trip: float) -> Iterator[Callable[[Callable[[], Result]], Result]]:
    """Calls a function in a thread, whose processes find the demo's `localhost` so many seconds away."""
    ports = {int(one or other) for one, other in _PORT.findall(demo.config.read_text(encoding="utf-8"))}
    with far_network(round_trip, *ports) as network:
        hosts = {"/etc/hosts": f"{FAR} localhost\n".encode()}
        yield lambda function: network(lambda: with_files(hosts, function))
