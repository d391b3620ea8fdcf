"""A rival: what an operator would write in an afternoon. The same SDKs, one resource after the other.

usage: python -m benchmarks.straightforward mistle.toml ca.pem
"""

import asyncio
import ssl
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosmtplib
import boto3
import docker
import httpx
import psycopg
import redis
import websockets.sync.client
from botocore.config import Config as BotoConfig


def postgres(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT has_schema_privilege(current_user, 'public', 'USAGE')").fetchall()


def valkey(url: str, prefix: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set(f"{prefix}:probe", "1", ex=10)
        client.get(f"{prefix}:probe")
        client.delete(f"{prefix}:probe")


def bucket(settings: dict[str, str]) -> None:
    bucket_operations(bucket_client(settings), settings["bucket_name"])


def bucket_client(settings: dict[str, str]) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings["endpoint"],
        region_name=settings["region"],
        aws_access_key_id=settings["access_key_id"],
        aws_secret_access_key=settings["secret_access_key"],
        config=BotoConfig(s3={"addressing_style": "path"}),
    )


def bucket_operations(client: Any, name: str) -> None:
    client.put_object(Bucket=name, Key="probe", Body=b"1")
    client.get_object(Bucket=name, Key="probe")["Body"].read()
    client.delete_object(Bucket=name, Key="probe")
    with suppress(client.exceptions.NoSuchKey):
        client.get_object(Bucket=name, Key="probe")


async def smtp(settings: dict[str, object], context: ssl.SSLContext) -> None:
    client = aiosmtplib.SMTP(
        hostname=str(settings["host"]),
        port=int(str(settings["port"])),
        use_tls=False,
        start_tls=True,
        tls_context=context,
    )
    async with client:
        await client.login(str(settings["username"]), str(settings["password"]))


def engine(path: str) -> None:
    client = docker.DockerClient(f"unix://{path}")
    client.version()
    client.networks.list()
    client.close()


def services(config: dict[str, dict[str, dict[str, str]]]) -> None:
    named = config["services"]
    with httpx.Client() as client:
        for service in ("control_plane_api", "data_plane_api", "data_plane_gateway"):
            client.get(named[service]["internal_url"])
        client.get(named["control_plane_api"]["public_url"])
        client.get(named["dashboard"]["public_url"])
        for signal in ("traces", "logs", "metrics"):
            client.post(config["telemetry"][signal]["endpoint"], content=b"", timeout=5)
    for way in ("public", "internal"):
        with suppress(websockets.exceptions.InvalidHandshake):
            websockets.sync.client.connect(named["data_plane_gateway"][f"sandbox_ws_{way}_url"]).close()


def main(file: str, ca_file: str) -> None:
    config = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    for plane in ("control_plane", "data_plane"):
        for way in ("direct_url", "pooled_url"):
            postgres(config["postgres"][plane][way])
    valkey(config["kv"]["data_plane"]["url"], config["kv"]["data_plane"]["key_prefix"])
    bucket(config["object_store"]["assets"])
    asyncio.run(smtp(config["email"]["smtp"], ssl.create_default_context(cafile=ca_file)))
    engine(config["sandbox"]["docker"]["socket_path"])
    services(config)


if __name__ == "__main__":
    main(*sys.argv[1:])
