"""boto3's client, configured to act as the AWS SDK for JavaScript v3 does by default."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from checks.core.finding import Diagnosed
from checks.core.text import foreign
from checks.net.addresses import is_address
from checks.object_store.bucket import Bucket
from checks.object_store.causes import BUCKET_NAME_INVALID, PATH_STYLE_NEEDED

_ONE_AT_A_TIME = Lock()  # a session is not safe for threads; and two would both load the same models
_LABEL = re.compile(r"(?!-)[a-z0-9-]{3,63}(?<!-)")
_DEFAULT_REGION = "us-east-1"  # requests to stores without regions are signed for it


def client(bucket: Bucket) -> Any:
    """A client of the endpoint without its path, that reads neither environment variables nor files of the user.

    Raises Diagnosed.
    """
    from botocore.config import Config

    _raise_if_refused(bucket)
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
            "addressing_style": "path" if uses_path_style(bucket) else "virtual",
            "us_east_1_regional_endpoint": "regional",
            "payload_signing_enabled": True,
            "use_accelerate_endpoint": False,
            "use_arn_region": False,
        },
    )
    with _ONE_AT_A_TIME:
        return _session().client(
            "s3",
            endpoint_url=str(replace(bucket.endpoint, path="/")) if bucket.endpoint else None,
            region_name=bucket.region or _DEFAULT_REGION,
            aws_access_key_id=bucket.access_key_id,
            aws_secret_access_key=bucket.secret_access_key,
            config=config,
        )


def _raise_if_refused(bucket: Bucket) -> None:
    """Raise Diagnosed for what the SDK for JavaScript refuses, and boto3 accepts."""
    name = foreign(bucket.name)
    if bucket.path_style and bucket.name.startswith("arn:"):
        message = f"'{name}' is an ARN, which Mistle's client refuses with path style"
        hint = "write the bucket's own name into {bucket_name}, or set {force_path_style} to false"
        raise Diagnosed(BUCKET_NAME_INVALID.diagnosis(message, hint=hint))
    if not uses_path_style(bucket) and bucket.endpoint and is_address(bucket.endpoint.host):
        message = f"'{name}' has dots, and Mistle's client puts it before the IP address, which makes no valid host"
        raise Diagnosed(PATH_STYLE_NEEDED.diagnosis(message, hint="set {force_path_style} to true"))


def uses_path_style(bucket: Bucket) -> bool:
    """Whether the SDK for JavaScript puts the bucket's name into the path; boto3 has other rules for short names."""
    if bucket.path_style or bucket.name.startswith("arn:"):
        return bucket.path_style
    if is_address(bucket.name) or not all(_LABEL.fullmatch(each) for each in bucket.name.split(".")):
        return True
    endpoint = bucket.endpoint
    if "." in bucket.name:
        return endpoint is None or endpoint.tls  # a certificate's wildcard stands for one label
    return endpoint is not None and is_address(endpoint.host)


def path_before(bucket: Bucket) -> str:
    """The endpoint's path, as Node's ``new URL`` and the SDK for JavaScript put it before each request's; boto3 would
    join slashes, and encode "%" again.
    """
    parts = bucket.endpoint.path.split("/")[1:] if bucket.endpoint else []
    kept: list[str] = []
    for each in parts:
        match unquote(each):
            case "..":
                del kept[-1:]
            case ".":
                pass
            case _:
                kept.append(each)
    if parts and unquote(parts[-1]) in {".", ".."}:
        kept.append("")
    path = quote("".join(f"/{each}" for each in kept), safe="/%:@!$&'()*+,;=~")
    return path.removesuffix("/") if path == "/" or uses_path_style(bucket) else path


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
