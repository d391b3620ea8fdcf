"""Mistle's own client of object stores, from npm: what it makes of a configuration."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from tests.harness import npm

PACKAGE = "@aws-sdk/client-s3@3.1173.0"
OPERATIONS = ("PutObject", "HeadObject", "GetObject", "DeleteObject")
KEY = "mistle-preflight/of-mistles-client"
_NAME = "store-client"
_SECTION = "object_store.assets"
_SCRIPT = Path(__file__).with_suffix(".js")

unavailable = partial(npm.unavailable, _NAME, (PACKAGE,))
"""Why the client cannot run here; "" if it can."""


@dataclass(frozen=True)
class Outcome:
    """The first operation that failed, "" if none did; with S3's code or the error's name, and the status."""

    operation: str
    code: str
    status: int
    message: str


@dataclass(frozen=True)
class StoreClient:
    requests: IO[str]
    outcomes: IO[str]

    def outcome(self, values: Mapping[str, object], operations: Sequence[str] = OPERATIONS) -> Outcome:
        """What the operations come to with the configuration of the assets."""
        own = {name: values.get(f"{_SECTION}.{name}") for name in ("endpoint", "region")}
        own |= {"bucket": values[f"{_SECTION}.bucket_name"], "pathStyle": values[f"{_SECTION}.force_path_style"]}
        own |= {"keyId": values[f"{_SECTION}.access_key_id"], "secret": values[f"{_SECTION}.secret_access_key"]}
        print(json.dumps({**own, "key": KEY, "operations": operations}), file=self.requests, flush=True)
        return Outcome(**json.loads(self.outcomes.readline()))


@contextmanager
def store_client() -> Iterator[StoreClient]:
    """One process of Node, which keeps the clients of all configurations apart."""
    environment = npm.environment(_NAME) | {"AWS_EC2_METADATA_DISABLED": "true"}
    with subprocess.Popen(
        ["node", str(_SCRIPT)], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        yield StoreClient(process.stdin, process.stdout)
        process.stdin.close()
