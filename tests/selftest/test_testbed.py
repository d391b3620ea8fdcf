"""What the tests read from a server to conclude that nothing is left there."""

import smtplib
from contextlib import closing

from tests.testbed import Engine, ObjectStore, Smtp
from tests.testbed.object_store import BUCKET
from tests.testbed.smtp import ADDRESS


def test_smtp_queue(smtp: Smtp) -> None:
    assert smtp.queue() == []
    with smtplib.SMTP("localhost", smtp.ports["plain"]) as client:
        client.sendmail(ADDRESS, ADDRESS, "Subject: stays\n")
    assert len(smtp.queue()) == 1
    smtp.empty_queue()
    assert smtp.queue() == []


def test_engine_contents(engine: Engine) -> None:
    assert engine.contents() == {"containers": [], "volumes": [], "networks": []}
    with closing(engine.client()) as client:
        network, volume = client.networks.create("sandboxes"), client.volumes.create("sandbox-1")
        assert engine.contents() == {"containers": [], "volumes": ["sandbox-1"], "networks": ["sandboxes"]}
        network.remove()
        volume.remove()


def test_object_store_objects(store: ObjectStore) -> None:
    assert store.objects() == []
    store.client().put_object(Bucket=BUCKET, Key="x", Body=b"x")
    assert store.objects() == ["x"]
    store.client().delete_object(Bucket=BUCKET, Key="x")
    assert store.objects() == []
