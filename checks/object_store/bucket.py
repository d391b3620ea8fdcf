"""One bucket, as the configuration names it."""

from __future__ import annotations

from dataclasses import dataclass, field

from checks.net.endpoint import Endpoint


@dataclass(frozen=True)
class Bucket:
    """One bucket, with its address and keys. ``endpoint`` of None is that of AWS for the region."""

    name: str
    endpoint: Endpoint | None
    region: str
    path_style: bool
    access_key_id: str
    secret_access_key: str = field(repr=False)
    checksums: bool = True
