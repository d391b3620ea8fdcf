"""What the map is drawn from: the deployment's services, what they use, and a wire for each use, each in its place.

Lengths are in units of the SVG's view box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.check import Status
    from preflight.report.model import Result


@dataclass(frozen=True)
class Shape:
    """The measures of a picture. ``kinds``: the width of the column for their names; 0: they stand above their rows."""

    name: str
    width: int
    service: int  # the width of a service
    resources: int  # where they begin
    kinds: int
    names: int  # how many characters of a resource's name there is room for
    targets: int  # the same of its target; 0: it is not shown
    services: int  # the same of a service's name, whose plane is said above it
    pitch: int  # from one resource to the next
    card: int  # the height of a service


WIDE = Shape("wide", 1232, service=204, resources=474, kinds=92, names=48, targets=28, services=26, pitch=31, card=44)
NARROW = Shape("narrow", 344, service=92, resources=186, kinds=0, names=20, targets=0, services=12, pitch=34, card=38)

PAD, HEAD, GAP = 10, 26, 8


@dataclass(frozen=True)
class Panel:
    """What belongs together: a plane, or a kind."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Service:
    """A service, and how many of what it uses has which status."""

    number: int
    name: str
    label: str
    y: float
    tally: tuple[tuple[Status, int], ...]

    @property
    def status(self) -> Status:
        """The worst of what it uses."""
        return self.tally[0][0]


@dataclass(frozen=True)
class MapResource:
    """What a check is about. ``check`` is its number; ``connect`` the seconds of that rung, where it was climbed."""

    check: int
    result: Result
    label: str
    target: str
    y: float
    connect: float | None
    share: float  # of the slowest check's seconds


@dataclass(frozen=True)
class Wire:
    """One use of a resource by a service."""

    service: Service
    resource: MapResource
    path: str

    @property
    def status(self) -> Status:
        """The worst finding of the check."""
        return self.resource.result.status


@dataclass(frozen=True)
class Map:
    """The picture. Wires come in the order in which they are drawn: the worst last, on top."""

    shape: Shape
    height: float
    planes: tuple[Panel, ...]
    kinds: tuple[Panel, ...]
    services: tuple[Service, ...]
    resources: tuple[MapResource, ...]
    wires: tuple[Wire, ...]

    @property
    def statuses(self) -> tuple[Status, ...]:
        """Those that occur, the worst first."""
        return tuple(sorted({resource.result.status for resource in self.resources}, reverse=True))

    def wires_of(self, service: Service) -> list[Wire]:
        """What it uses, the worst first."""
        wires = [wire for wire in self.wires if wire.service is service]
        return sorted(wires, key=lambda wire: (-wire.status, wire.resource.check))
