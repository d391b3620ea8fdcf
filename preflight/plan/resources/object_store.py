"""The resource in [object_store.assets], and that in [object_store.sandbox_storage] if Archil mounts it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from checks.object_store import ObjectStore
from checks.object_store.bucket import Bucket
from preflight.config.values import Values
from preflight.plan.resource import Deployment, Resource, endpoint

_ASSETS, _STORAGE = "object_store.assets", "object_store.sandbox_storage"
_NAMES = ("bucket_name", "access_key_id", "secret_access_key")


def _make(section: str, deployment: Deployment) -> ObjectStore:
    """Mistle's own client: a store without an endpoint is AWS's, and its address depends on the region."""
    values = deployment.values
    bucket = _bucket(section, values, values.text(f"{section}.region"))
    sources = {name: (f"{section}.{name}",) for name in (*_NAMES, "region", "force_path_style")}
    return ObjectStore(
        name=section,
        sources=sources | {"endpoint": (f"{section}.{'endpoint' if bucket.endpoint else 'region'}",)},
        bucket=replace(bucket, path_style=values.boolean(f"{section}.force_path_style")),
    )


def _make_mounted(section: str, deployment: Deployment) -> ObjectStore:
    """Mistle passes endpoint, bucket and keys to Archil, but neither region nor style."""
    key = (f"{section}.endpoint",)
    sources = {name: (f"{section}.{name}",) for name in _NAMES}
    return ObjectStore(
        name=section,
        sources=sources | {"endpoint": key, "region": key, "force_path_style": key},
        bucket=_bucket(section, deployment.values, region=""),
        public=True,
    )


def _bucket(section: str, values: Values, region: str) -> Bucket:
    url = values.url_or_none(f"{section}.endpoint")
    name, access_key_id, secret = (values.text(f"{section}.{key}") for key in _NAMES)
    return Bucket(
        name=name,
        endpoint=endpoint(replace(url, query="")) if url else None,
        region=region,
        path_style=True,
        access_key_id=access_key_id,
        secret_access_key=secret,
    )


def _is_mounted(values: Values) -> bool:
    mounted = values.text("sandbox.storage.archil.mount_object_store") == "sandbox_storage"
    return mounted and values.text("sandbox.storage.backend") == "archil"


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
