"""boto3's client, configured to act as the AWS SDK for JavaScript v3 does by default."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checks.net.endpoint import Endpoint

_ONE_AT_A_TIME = Lock()  # a session is not safe for threads; and two would both load the same models
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
    """A client that reads neither environment variables nor files in the home directory."""
    from botocore.config import Config

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
    with _ONE_AT_A_TIME:
        return _session().client(
            "s3",
            endpoint_url=str(bucket.endpoint) if bucket.endpoint else None,
            region_name=bucket.region or _DEFAULT_REGION,
            aws_access_key_id=bucket.access_key_id,
            aws_secret_access_key=bucket.secret_access_key,
            config=config,
        )


@cache
def _session() -> Any:
    """One for all clients: it loads botocore's own models only, each once."""
    import boto3
    from botocore.loaders import Loader
    from botocore.session import Session

    session = Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    loader = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return boto3.session.Session(botocore_session=session)
