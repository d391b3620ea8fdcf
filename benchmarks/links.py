"""A far-away demo: its servers behind a link that holds every packet."""

import re
from collections.abc import Callable, Iterator, Mapping
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
    with far_network(round_trip, *set(ports(demo.config.read_text(encoding="utf-8")))) as network:
        hosts = {"/etc/hosts": f"{FAR} localhost\n".encode()}
        yield lambda function: network(lambda: with_files(hosts, function))


def ports(text: str) -> list[int]:
    """The ports of all servers of a configuration, in its order."""
    return [int(one or other) for one, other in _PORT.findall(text)]


def moved(text: str, to: Mapping[int, int]) -> str:
    """The configuration with other ports."""
    return _PORT.sub(lambda found: _with(found[0], to), text)


def _with(text: str, to: Mapping[int, int]) -> str:
    return re.sub(r"\d+$", lambda port: str(to.get(int(port[0]), port[0])), text)
