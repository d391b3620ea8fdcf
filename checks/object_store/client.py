"""boto3's client, configured to act as the AWS SDK for JavaScript v3 does by default."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from checks.core.check import Diagnosed
from checks.core.text import foreign
from checks.object_store.causes import BUCKET_NAME_INVALID

if TYPE_CHECKING:
    from checks.net.endpoint import Endpoint

_DEFAULT_REGION = "us-east-1"  # requests to stores without regions are signed for it


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


def client(bucket: Bucket) -> Any:
    """A client of the endpoint without its path, that reads neither environment variables nor files of the user.

    Raises Diagnosed.
    """
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    if bucket.path_style and bucket.name.startswith("arn:"):
        message = f"'{foreign(bucket.name)}' is an ARN, which Mistle's client refuses with path style"
        hint = "write the bucket's own name into {bucket_name}, or set {force_path_style} to false"
        raise Diagnosed(BUCKET_NAME_INVALID.diagnosis(message, hint=hint))
    session = Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    session.register_component("data_loader", _loader())
    checksums = "when_supported" if bucket.checksums else "when_required"
    config = Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 1},
        proxies={},
        ignore_configured_endpoint_urls=True,
        use_dualstack_endpoint=False,
        use_fips_endpoint=False,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        s3={
            "addressing_style": "path" if bucket.path_style else "virtual",
            "us_east_1_regional_endpoint": "regional",
            "payload_signing_enabled": True,
            "use_accelerate_endpoint": False,
            "use_arn_region": False,
        },
    )
    return boto3.session.Session(botocore_session=session).client(
        "s3",
        endpoint_url=str(replace(bucket.endpoint, path="/")) if bucket.endpoint else None,
        region_name=bucket.region or _DEFAULT_REGION,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
        config=config,
    )


def path_before(bucket: Bucket) -> str:
    """The endpoint's path, as Node's ``new URL`` and the SDK for JavaScript put it before each request's; boto3 would
    join slashes, and encode "%" again.
    """
    kept: list[str] = []
    for each in bucket.endpoint.path.split("/")[1:] if bucket.endpoint else ():
        match unquote(each):
            case "..":
                del kept[-1:]
            case ".":
                pass
            case _:
                kept.append(each)
    return quote("".join(f"/{each}" for each in kept), safe="/%:@!$&'()*+,;=~").removesuffix("/")


@cache
def _loader() -> Any:
    """Loads botocore's own models only, each once."""
    from botocore.loaders import Loader

    return Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
