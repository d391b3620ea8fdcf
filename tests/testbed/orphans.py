"""The owners of containers, and the removal of those that are no longer needed. As a program: removes all of them."""

from collections.abc import Iterable
from contextlib import closing

from docker.errors import NotFound
from docker.models.containers import Container
from testcontainers.core.docker_client import DockerClient

from tests.testbed import runs

OWNER = "mistle-preflight-test"
"""The label that names the run, and the folder of the images."""
KEPT = f"{OWNER}.kept"
"""The label of a container that stays for the next run: its name there."""


def labelled(label: str) -> list[Container]:
    """All containers with this label, also those that do not run."""
    with closing(DockerClient().client) as client:
        return list(client.containers.list(all=True, filters={"label": label}, ignore_removed=True))


def remove_orphans(run: runs.Run) -> None:
    """Remove what this run and runs that have ended left. What is kept for the next run stays."""
    over = {each: runs.take(each) for each in runs.numbers() if each != run.number}
    owners = {run.owner, *(runs.Run(each).owner for each, lock in over.items() if lock)}
    remove(each for each in labelled(OWNER) if each.labels[OWNER] in owners and KEPT not in each.labels)
    for lock in filter(None, over.values()):
        lock.release()


def remove(containers: Iterable[Container]) -> None:
    for container in containers:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            continue


if __name__ == "__main__":
    ours = {runs.Run(number).owner for number in runs.numbers()}
    remove(each for each in labelled(OWNER) if each.labels[OWNER] in ours)
