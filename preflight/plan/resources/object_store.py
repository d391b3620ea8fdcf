"""object_store.assets, and object_store.sandbox_storage where Archil mounts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from checks.object_store import ObjectStore
from checks.object_store.client import Bucket
from preflight.plan.resource import Deployment, Resource, endpoint

_ASSETS, _STORAGE = "object_store.assets", "object_store.sandbox_storage"
_NAMES = ("bucket_name", "access_key_id", "secret_access_key")


def _make(section: str, deployment: Deployment) -> ObjectStore:
    """Mistle's own client: a store without an endpoint is AWS's, and its address depends on the region."""
    url = deployment.values.get(f"{section}.endpoint")
    bucket = _bucket(section, deployment, str(deployment.values["object_store.assets.region"]))
    bucket = replace(bucket, path_style=bool(deployment.values.get(f"{section}.force_path_style")))
    fields = (*_NAMES, "region", "force_path_style")
    sources = {name: (f"{section}.{name}",) for name in fields}
    return ObjectStore(
        name=section,
        sources=sources | {"endpoint": (f"{section}.{'endpoint' if url else 'region'}",)},
        bucket=bucket,
    )


def _make_mounted(section: str, deployment: Deployment) -> ObjectStore:
    """Archil gets the endpoint, the bucket and the keys, and neither region nor style."""
    key = (f"{section}.endpoint",)
    sources = {name: (f"{section}.{name}",) for name in _NAMES}
    return ObjectStore(
        name=section,
        sources=sources | {"endpoint": key, "region": key, "force_path_style": key},
        bucket=_bucket(section, deployment, region=""),
        public=True,
    )


def _bucket(section: str, deployment: Deployment, region: str) -> Bucket:
    url = deployment.values.get(f"{section}.endpoint")
    name, access_key_id, secret = (deployment.text(f"{section}.{key}") for key in _NAMES)
    place = endpoint(str(url)) if url else None
    return Bucket(
        name=name,
        endpoint=place and replace(place, path=place.path.partition("?")[0]),
        region=region,
        path_style=True,
        access_key_id=access_key_id,
        secret_access_key=secret,
    )


def _is_mounted(values: Mapping[str, object]) -> bool:
    mounted = values.get("sandbox.storage.archil.mount_object_store") == "sandbox_storage"
    return mounted and values.get("sandbox.storage.backend") == "archil"


def _keys(section: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{section}.{name}" for name in names)


RESOURCES = (
    Resource(
        _ASSETS,
        ObjectStore.kind,
        _keys(_ASSETS, *_NAMES, "region"),
        frozenset({"control_plane_api"}),
        partial(_make, _ASSETS),
        optional=_keys(_ASSETS, "endpoint", "force_path_style"),
    ),
    Resource(
        _STORAGE,
        ObjectStore.kind,
        _keys(_STORAGE, *_NAMES, "endpoint"),
        frozenset({"data_plane_worker"}),
        partial(_make_mounted, _STORAGE),
        applies=_is_mounted,
    ),
)
