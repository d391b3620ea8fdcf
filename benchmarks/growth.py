"""Many targets of one kind: the checks of this project, or the bare calls of the driver, one after the other.

usage: python -m benchmarks.growth checks|driver valkey|object_store NUMBER mistle.toml
"""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import straightforward
from checks.core.check import Check
from checks.core.finding import Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.config.loader import load
from preflight.plan.plan import plan
from preflight.run.runner import run

NAMES = {"valkey": "kv.data_plane", "object_store": "object_store.assets"}


def distinct(check: Any, number: int) -> Check:
    """The same target in another name: no two checks are equal, and each is made."""
    if check.kind == "valkey":
        return replace(check, name=f"{check.name}.{number}", key_prefix=f"{check.key_prefix}{number}")
    bucket = replace(check.bucket, region=f"region-{number}")
    return replace(check, name=f"{check.name}.{number}", bucket=bucket)


def checks(kind: str, number: int, file: str) -> None:
    config = load(Path(file), {}, 10.0, None)
    check = next(check for check in plan(config, stage="live").checks if check.name == NAMES[kind])
    made = run(
        tuple(distinct(check, index) for index in range(number)),
        Settings(trust=Trust()),
        deadline=300.0,
        origins=config.origins,
    )
    failed = [result for result in made.results if result.status >= Status.FAIL]
    if failed:
        sys.exit(f"{len(failed)} of {number} failed: {failed[0].findings}")


def driver(kind: str, number: int, file: str) -> None:
    config = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    kv, store = config["kv"]["data_plane"], config["object_store"]["assets"]
    client = straightforward.bucket_client(store)
    for _ in range(number):
        if kind == "valkey":
            straightforward.valkey(kv["url"], kv["key_prefix"])
        else:
            straightforward.bucket_operations(client, store["bucket_name"])


if __name__ == "__main__":
    way, kind, number, file = sys.argv[1:]
    {"checks": checks, "driver": driver}[way](kind, int(number), file)
