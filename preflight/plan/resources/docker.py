"""The resource in [sandbox.docker]."""

from __future__ import annotations

from checks.docker import DockerEngine
from preflight.plan.resource import Deployment, Resource

_SOCKET, _NETWORK = "sandbox.docker.socket_path", "sandbox.docker.network_name"
_IMAGE, _PREFIX = "sandbox.default_base_image", "sandbox.storage.docker_volume.name_prefix"


def _make(deployment: Deployment) -> DockerEngine:
    fields = {"socket_path": _SOCKET, "default_base_image": _IMAGE, "network_name": _NETWORK, "name_prefix": _PREFIX}
    if deployment.service == "data_plane_api":  # only the worker makes sandboxes, with their network and volumes
        fields = {"socket_path": _SOCKET, "default_base_image": _IMAGE}
    texts = {field: deployment.values.text(key) for field, key in fields.items()}
    return DockerEngine(
        name="sandbox.docker",
        sources={field: (key,) for field, key in fields.items() if texts[field]},
        sandboxes="name_prefix" in fields,
        **({"network_name": "", "name_prefix": ""} | texts),
    )


RESOURCES = (
    Resource(
        "sandbox.docker",
        DockerEngine.kind,
        (_SOCKET, _IMAGE),
        frozenset({"data_plane_api", "data_plane_worker"}),
        _make,
        optional=(_NETWORK, _PREFIX),
        applies=lambda values: values.text("sandbox.provider") == "docker",
    ),
)
