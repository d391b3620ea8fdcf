"""The parts of the map: the services of the deployment, its resources, and the connections between them.

Lengths are in units of the SVG's view box.
"""

from __future__ import annotations

from dataclasses import dataclass

from checks.core.finding import Status
from preflight.report.result import Result


@dataclass(frozen=True)
class MapSize:
    """The measures of a map. ``kinds``: the width of the column for their names; 0: the names are above the rows."""

    name: str
    width: int
    service: int  # the width of a service
    resources: int  # the left edge of the resources
    kinds: int
    names: int  # the longest name of a resource, in characters
    targets: int  # the longest target of a resource, in characters; 0: targets are not shown
    services: int  # the longest name of a service, in characters
    pitch: int  # the distance from one resource to the next
    card: int  # the height of a service


WIDE = MapSize("wide", 1232, service=204, resources=474, kinds=92, names=48, targets=28, services=26, pitch=31, card=44)
NARROW = MapSize("narrow", 344, service=92, resources=186, kinds=0, names=20, targets=0, services=12, pitch=34, card=38)

PAD, HEAD, GAP = 10, 26, 8


@dataclass(frozen=True)
class Panel:
    """The background of a group: of a plane's services, or of a kind's resources."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class MapService:
    """A service. ``counts``: the number of its resources of each status, the worst first."""

    number: int
    name: str
    label: str
    y: float
    counts: tuple[tuple[Status, int], ...]

    @property
    def status(self) -> Status:
        return self.counts[0][0]


@dataclass(frozen=True)
class MapResource:
    """The target of a check. ``check`` is the number of the check; ``connect`` the seconds of that layer, if it ran."""

    check: int
    result: Result
    label: str
    target: str
    y: float
    connect: float | None
    share: float  # its seconds, as a part of those of the slowest check


@dataclass(frozen=True)
class Connection:
    """A line from a service to a resource that it uses."""

    service: MapService
    resource: MapResource
    path: str

    @property
    def status(self) -> Status:
        return self.resource.result.status


@dataclass(frozen=True)
class Map:
    """The map. Connections are in the order in which they are drawn: the worst last, on top."""

    shape: MapSize
    height: float
    planes: tuple[Panel, ...]
    kinds: tuple[Panel, ...]
    services: tuple[MapService, ...]
    resources: tuple[MapResource, ...]
    connections: tuple[Connection, ...]

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that occur, the worst first."""
        return tuple(sorted({resource.result.status for resource in self.resources}, reverse=True))

    def connections_of(self, service: MapService) -> list[Connection]:
        """The connections of a service, the worst first."""
        connections = [connection for connection in self.connections if connection.service is service]
        return sorted(connections, key=lambda connection: (-connection.status, connection.resource.check))
