"""What the tests read from a server to conclude that nothing is left there."""

import smtplib
from contextlib import closing

from tests.testbed import Engine, ObjectStore, Smtp
from tests.testbed.object_store import BUCKET
from tests.testbed.smtp import ADDRESS

# Other tests of the same process may have left something on these servers.


def test_smtp_queue(smtp: Smtp) -> None:
    smtp.empty_queue()
    with smtplib.SMTP("localhost", smtp.ports["plain"]) as client:
        client.sendmail(ADDRESS, ADDRESS, "Subject: stays\n")
    assert len(smtp.queue()) == 1
    smtp.empty_queue()
    assert smtp.queue() == []


def test_engine_contents(engine: Engine) -> None:
    before = engine.contents()
    with closing(engine.client()) as client:
        network, volume = client.networks.create("sandboxes"), client.volumes.create("sandbox-1")
        added = {kind: sorted({*names} - {*before[kind]}) for kind, names in engine.contents().items()}
        network.remove()
        volume.remove()
    assert added == {"containers": [], "volumes": ["sandbox-1"], "networks": ["sandboxes"]}
    assert engine.contents() == before


def test_object_store_objects(store: ObjectStore) -> None:
    before = store.objects()
    store.client().put_object(Bucket=BUCKET, Key="x", Body=b"x")
    assert sorted(store.objects()) == sorted([*before, "x"])
    store.client().delete_object(Bucket=BUCKET, Key="x")
    assert store.objects() == before
