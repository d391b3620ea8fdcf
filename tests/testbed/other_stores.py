"""Object stores of other makes, as processes on loopback: rclone's, and SeaweedFS, which Mistle's own stack has."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.testbed import makes
from tests.testbed.containers import LIMIT, LOOPBACK
from tests.testbed.object_store import BUCKET, OWNER, READER, STRANGER, WRITER, boto3_client

if TYPE_CHECKING:
    from botocore.client import BaseClient

PROGRAMS = {"rclone": "rclone", "SeaweedFS": "weed"}
"""The programs of the extra `makes`, by make."""
_GRPC = 10_000  # SeaweedFS adds it to each port for another one


@dataclass(frozen=True)
class OtherStore:
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def client(self) -> "BaseClient":
        """boto3's client of the owner; in path style, without retries."""
        return boto3_client(self.url, OWNER)

    def buckets(self) -> list[str]:
        return [each["Name"] for each in self.client().list_buckets()["Buckets"]]

    def objects(self) -> list[str]:
        """The names of all objects in BUCKET."""
        return [each["Key"] for each in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@contextmanager
def other_store(make: str) -> Iterator[OtherStore]:
    """A store that checks signatures, with BUCKET; in SeaweedFS with WRITER, READER and STRANGER as well."""
    start = {"rclone": _rclone, "SeaweedFS": _seaweedfs}[make]
    with TemporaryDirectory() as folder, start(Path(folder)) as port:
        store = OtherStore(port)
        _until_ready(store)
        yield store


@contextmanager
def _rclone(folder: Path) -> Iterator[int]:
    (folder / "buckets" / BUCKET).mkdir(parents=True)
    (folder / "rclone.conf").touch()
    [port] = _free_ports(1)
    keys = f"{OWNER.access_key_id},{OWNER.secret_access_key}"
    options = ("--addr", f"{LOOPBACK}:{port}", "--auth-key", keys, "--config", folder / "rclone.conf")
    with _running("rclone", folder, "serve", "s3", *map(str, options), str(folder / "buckets")):
        yield port


@contextmanager
def _seaweedfs(folder: Path) -> Iterator[int]:
    (folder / "s3.json").write_text(json.dumps({"identities": _identities()}))
    master, volume, filer, port = _free_ports(4)
    options = {
        "dir": folder,
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "filer": True,
        "s3": True,
        "volume.max": 20,
        "master.port": master,
        "volume.port": volume,
        "filer.port": filer,
        "s3.port": port,
        "master.volumeSizeLimitMB": 16,
        "s3.config": folder / "s3.json",
        "s3.domainName": "localhost",
        "master.telemetry": False,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    words = (f"-{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in options.items())
    with _running("weed", folder, "server", *words):
        yield port


def _identities() -> list[object]:
    actions = {
        OWNER: ["Admin", "Read", "Write", "List"],
        WRITER: ["Read", "Write", "List"],
        READER: [f"Read:{BUCKET}"],
        STRANGER: ["Read:foreign", "Write:foreign"],
    }
    return [
        {
            "name": keys.access_key_id,
            "credentials": [{"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}],
            "actions": allowed,
        }
        for keys, allowed in actions.items()
    ]


@contextmanager
def _running(program: str, folder: Path, *words: str) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([makes.path_of(program), *words], stdout=log, stderr=log, cwd=folder)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _until_ready(store: OtherStore) -> None:
    """Wait until the store has BUCKET, which it may have to make, and takes objects."""
    from botocore.exceptions import BotoCoreError, ClientError

    ends = time.monotonic() + LIMIT
    while True:
        try:
            client = store.client()
            if BUCKET not in store.buckets():
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            return


def _free_ports(count: int) -> Sequence[int]:
    """Ports that nothing listens on, whose companions for gRPC exist too."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            made = stack.enter_context(closing(socket.create_server((LOOPBACK, 0))))
            port = made.getsockname()[1]
            found += [port] if port + _GRPC < 65_536 else []
        return found
