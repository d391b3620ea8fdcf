"""The check of the assets' bucket, with the names of its keys."""

import pytest

from tests.harness.run_check import CheckRun, run_check
from tests.harness.store_faults import bucket
from tests.testbed.names import can_change_names
from tests.testbed.object_store import BUCKET, OWNER, Keys

ASSETS = "object_store.assets"
ENDPOINT, NAME, REGION, STYLE, KEY_ID, SECRET = (
    f"{ASSETS}.{name}"
    for name in ("endpoint", "bucket_name", "region", "force_path_style", "access_key_id", "secret_access_key")
)
VIRTUAL_HOST = {"/etc/hosts": f"127.0.0.1 localhost {BUCKET}.localhost\n".encode()}
needs_root = pytest.mark.skipif(not can_change_names(), reason="needs root, for names of its own")


def check(url: str, keys: Keys = OWNER, changes: dict[str, object] | None = None, **options: object) -> CheckRun:
    """Run it on the store at this address."""
    login = {KEY_ID: keys.access_key_id, SECRET: keys.secret_access_key}
    return run_check(ASSETS, bucket(url) | login | (changes or {}), **options)  # type: ignore[arg-type]
