"""Lays out the map: services to the left, by plane; resources to the right, by kind; connections between them.

The same report gives the same map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from checks.core.finding import Layer
from preflight.formats.html.check_view import by_kind
from preflight.formats.html.map import GAP, HEAD, PAD, Connection, Map, MapResource, MapService, MapSize, Panel
from preflight.formats.html.text import fit_end, fit_middle
from preflight.services import SERVICES

if TYPE_CHECKING:
    from preflight.formats.html.check_view import CheckView

_PLANES = (
    ("control_plane_", "control plane"),
    ("data_plane_", "data plane"),
    ("dashboard", "in browsers"),
    ("", "other"),
)


def draw(checks: Sequence[CheckView], service: str | None, shape: MapSize) -> Map:
    """The map of the resources of these checks; with ``service``, only as this service uses them."""
    drawn = [check for check in checks if check.result.kind != "config"]
    users = {check.number: (service,) if service else check.result.services for check in drawn}
    kinds, resources = _resources(drawn, shape)
    planes, services = _services(users, resources, shape, _bottom(kinds))
    connections = _connections(services, resources, users, shape)
    return Map(shape, max(_bottom(kinds), _bottom(planes)), planes, kinds, services, resources, connections)


def _bottom(panels: Sequence[Panel]) -> float:
    return max((panel.y + panel.height for panel in panels), default=0.0)


def _resources(drawn: Sequence[CheckView], shape: MapSize) -> tuple[tuple[Panel, ...], tuple[MapResource, ...]]:
    slowest = max((check.result.seconds for check in drawn), default=0.0) or 1.0
    head = PAD / 2 if shape.kinds else HEAD
    y, panels, resources = 0.0, [], []
    for kind, checks in by_kind(drawn).items():
        for row, check in enumerate(checks):
            resources.append(_resource(check, slowest, y + head + (row + 0.5) * shape.pitch, shape))
        height = head + len(checks) * shape.pitch + PAD / 2
        label = fit_end(kind, (shape.kinds or shape.width - shape.resources) // 7)
        panels.append(Panel(label, shape.resources, y, shape.width - shape.resources, height))
        y += height + GAP
    return tuple(panels), tuple(resources)


def _resource(check: CheckView, slowest: float, y: float, shape: MapSize) -> MapResource:
    result = check.result
    connect = [finding.seconds for finding in result.findings if finding.layer is Layer.CONNECT and finding.seconds]
    return MapResource(
        check=check.number,
        result=result,
        label=fit_end(result.name, shape.names),
        target=fit_middle(result.target, shape.targets) if shape.targets else "",
        y=y,
        connect=max(connect, default=None),
        share=result.seconds / slowest,
    )


def _services(
    users: Mapping[int, Sequence[str]], resources: tuple[MapResource, ...], shape: MapSize, height: float
) -> tuple[tuple[Panel, ...], tuple[MapService, ...]]:
    """Panels and services, spread over the height of the resources; higher if they need more."""
    groups = [(plane, list(names)) for plane, names in groupby(_in_order(users), _plane)]
    needs = [HEAD + len(names) * (shape.card + GAP) - GAP + PAD for _, names in groups]
    panels: list[Panel] = []
    services: list[MapService] = []
    for ((prefix, label), names), need, top in zip(groups, needs, _spread(needs, height), strict=True):
        panels.append(Panel(label, 0, top, shape.service + 2 * PAD, need))
        for row, name in enumerate(names):
            counts = Counter(each.result.status for each in resources if name in users[each.check])
            services.append(
                MapService(
                    number=len(services) + 1,
                    name=name,
                    label=fit_end(name if len(name) <= shape.services else name.removeprefix(prefix), shape.services),
                    y=top + HEAD + row * (shape.card + GAP),
                    counts=tuple(sorted(counts.items(), reverse=True)),
                )
            )
    return tuple(panels), tuple(services)


def _in_order(users: Mapping[int, Sequence[str]]) -> list[str]:
    """Every service that uses a resource, by plane; names that this version does not have come last."""
    used = dict.fromkeys(name for names in users.values() for name in names)
    names = [*(name for name in SERVICES if name in used), *(name for name in used if name not in SERVICES)]
    return sorted(names, key=lambda name: _PLANES.index(_plane(name)))


def _plane(name: str) -> tuple[str, str]:
    return next(plane for plane in _PLANES if name.startswith(plane[0]))


def _spread(needs: Sequence[float], height: float) -> Iterator[float]:
    """The top of each panel, with equal space above, between and below; if there is no space, beyond ``height``."""
    space = max(1.5 * GAP, (height - sum(needs)) / (len(needs) + 1))
    y = max(0.0, (height - sum(needs) - space * (len(needs) - 1)) / 2)
    for need in needs:
        yield y
        y += need + space


def _connections(
    services: Sequence[MapService],
    resources: Sequence[MapResource],
    users: Mapping[int, Sequence[str]],
    shape: MapSize,
) -> tuple[Connection, ...]:
    """The ends at one service or resource are spread in the order of the other ends: there, lines do not cross."""
    pairs = [(service, each) for service in services for each in resources if service.name in users[each.check]]
    leaving = Counter(service.number for service, _ in pairs)
    arriving = Counter(each.check for _, each in pairs)
    left, right = Counter[int](), Counter[int]()
    connections = []
    for service, each in pairs:
        left[service.number] += 1
        right[each.check] += 1
        start = service.y + shape.card * left[service.number] / (leaving[service.number] + 1)
        end = each.y + 14 * (right[each.check] / (arriving[each.check] + 1) - 0.5)
        connections.append(Connection(service, each, _curve(PAD + shape.service, start, shape.resources, end)))
    return tuple(sorted(connections, key=lambda connection: connection.status))


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (x1 + x2) / 2
    return f"M{x1:g} {y1:.1f}C{bend:g} {y1:.1f} {bend:g} {y2:.1f} {x2:g} {y2:.1f}"
