"""Object stores: Ceph's S3 gateway, which does not check the region; and Swift, which accepts only its own region."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import answers

if TYPE_CHECKING:
    from botocore.client import BaseClient

IMAGES_BUCKET, FOREIGN_BUCKET = "mistle-assets", "foreign"
"""The bucket that the image has of OWNER, and one that belongs to STRANGER."""
BUCKET = IMAGES_BUCKET + os.environ.get("PYTEST_XDIST_WORKER", "")
"""OWNER's that the tests use: each worker has its own, in a store that all of them share."""
POLICY = Path(__file__).parents[1] / "images/radosgw/policy.json"
TLS = {"rgw_frontends": "beast ssl_port=8000 ssl_certificate=/files/server.pem ssl_private_key=/files/server.key"}


@dataclass(frozen=True)
class Keys:
    access_key_id: str
    secret_access_key: str


def _keys(name: str) -> Keys:
    return Keys(name, f"{name}-object-store")


OWNER, STRANGER, SUSPENDED = _keys("mistle-local"), _keys("stranger"), _keys("suspended")
MINIMAL, WRITER, READER = _keys("minimal"), _keys("writer"), _keys("reader")
"""In BUCKET: who may put, get and delete objects, and nothing else; who may put and get; who may only get."""
SWIFT_OWNER, SWIFT_REGION = Keys("mistle:local", "mistle-swift-object-store"), "eu-central-1"


def boto3_client(url: str, keys: Keys, region: str = "us-east-1", **options: Any) -> "BaseClient":
    """boto3's client; in path style, without retries."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    defaults = {"endpoint_url": url, "region_name": region, "config": config, "verify": False}
    defaults |= {"aws_access_key_id": keys.access_key_id, "aws_secret_access_key": keys.secret_access_key}
    return boto3.client("s3", **defaults | options)


@dataclass(frozen=True)
class ObjectStore(Server):
    scheme: str = "http"
    owner: Keys = OWNER
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def client(self, keys: Keys | None = None, region: str = "", **options: Any) -> "BaseClient":
        """boto3's client, by default the owner's; in path style, without retries."""
        return boto3_client(self.url, keys or self.owner, region or self.region, **options)

    def objects(self, bucket: str = BUCKET, keys: Keys | None = None) -> list[str]:
        """The names of all objects in a bucket."""
        return [each["Key"] for each in self.client(keys).list_objects_v2(Bucket=bucket).get("Contents", [])]

    def make_bucket(self) -> None:
        """An empty BUCKET, to which users have the rights that the image gives them to the one that it has."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a certificate that is not verified
            self._make_bucket(self.client(endpoint_url=f"{self.scheme}://{self.host}:{self.port}"))

    def _make_bucket(self, client: "BaseClient") -> None:
        if BUCKET not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=BUCKET)
        client.put_bucket_policy(Bucket=BUCKET, Policy=POLICY.read_text().replace(IMAGES_BUCKET, BUCKET))
        for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])


@contextmanager
def object_store(certificate: Leaf | None = None, kept: str = "", **settings: object) -> Iterator[ObjectStore]:
    """Ceph's gateway; keywords are its settings; with a `certificate`, TLS only."""
    scheme = "https" if certificate else "http"
    files = certificate.files() if certificate else {}
    settings = (TLS if certificate else {}) | settings
    command = ["radosgw-server", *(f"--{name}={value}" for name, value in settings.items())]

    def is_ready(port: int) -> None:
        answers(f"{scheme}://{LOOPBACK}:{port}")

    with running("radosgw", command, 8000, is_ready, files, kept=kept) as fields:
        store = ObjectStore(*fields, scheme=scheme)
        if kept or BUCKET != IMAGES_BUCKET:
            store.make_bucket()
        yield store


@contextmanager
def swift_object_store(clock: str = "") -> Iterator[ObjectStore]:
    """Swift, with BUCKET; with a `clock` such as "+20m", which is ahead of this machine's, without BUCKET."""
    command = ["swift-server", *filter(None, [clock])]
    with running("swift", command, 8000, lambda port: answers(f"http://{LOOPBACK}:{port}"), {}) as fields:
        store = ObjectStore(*fields, owner=SWIFT_OWNER, region=SWIFT_REGION)
        if not clock:
            store.client().create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": SWIFT_REGION})
        yield store
