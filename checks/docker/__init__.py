"""A Docker Engine, as Mistle's sandboxes use it: over its Unix socket, with pulls that send no login."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from checks.core.check import Check
from checks.core.finding import CheckTimeout, Diagnosed, Diagnosis, Layer, StopCheck
from checks.core.loop import waits
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.docker import causes, remedies
from checks.docker.fitness import free_space, unsuitable
from checks.docker.socket_access import open_socket
from checks.net.endpoint import HTTP
from checks.net.tls import first_bytes

if TYPE_CHECKING:
    from checks.docker.client import Client, Engine
    from checks.docker.images import Image

T = TypeVar("T")
_UNSUITABLE = {  # why a network with this driver does not suit sandboxes
    "null": "is no network: a sandbox on it reaches nothing, not the gateway either",
    "host": "is the machine's own network: two sandboxes on it cannot listen on one port, and each reaches what "
    "listens on the machine's loopback addresses",
}


@dataclass(frozen=True, kw_only=True)
class DockerEngine(Check):
    """Proves that sandboxes can start: a daemon replies, network and image exist, volumes can be created and removed.

    Writes one empty volume, `<name_prefix>mistle-preflight-<random>`, and removes it at once; with --read-only none.
    It creates no container and pulls no image: the daemon requests the manifest from its registry, without a login. The
    daemon must refuse each call about a container: the container does not exist, or the call does not describe one.
    Needs what Mistle needs: to open the socket, and a daemon that allows to inspect networks and images, to create
    volumes, and to run and commit containers.

    Tried with Docker Engine 26.1, with HAProxy as a filter of its socket, and with Podman 5.4.
    """

    kind = "docker"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("checks.docker.calls", "checks.docker.images", "checks.docker.volumes")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("docker", "requests", "urllib3"),
        *("checks.docker.calls", "checks.docker.client", "checks.docker.images", "checks.docker.replies"),
    )

    socket_path: str
    default_base_image: str
    network_name: str
    name_prefix: str
    sandboxes: bool = True  # whether the service that is checked makes sandboxes and their volumes

    @property
    def target(self) -> str:
        return f"{self.socket_path} {self.default_base_image}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.CONNECT, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        with record.layer(Layer.CONNECT, f"a Docker Engine answers on {self.socket_path}", proves=("socket_path",)):
            limit = record.share_of_time(0.4)
            await in_thread(lambda: open_socket(self.socket_path, limit))
            engine = await self._identify(record)
        parts = LayerParts(record)
        if self.network_name:
            with (
                parts,
                record.layer(Layer.ACCESS, f"network {self.network_name} exists", proves=("network_name",)),
            ):
                await self._check_network(record, engine)
        if self.sandboxes:
            calls = "every call that only reads about" if record.settings.read_only else "every call that runs"
            goal = f"{calls} a sandbox is allowed"
            with parts, record.layer(Layer.ACCESS, goal, proves=("socket_path",)):
                await self._call(record, partial(_prove_calls, record.settings.read_only), engine)
        prefix = "name_prefix" if self.name_prefix else "socket_path"
        goal = f"may create and remove volumes {self.name_prefix}*"
        if self.sandboxes:
            with parts, record.layer(Layer.ACCESS, goal, proves=(prefix,)):
                await self._check_volumes(record, engine, prefix)
        goal = f"{self.default_base_image} is available"
        with parts, record.layer(Layer.ACCESS, goal, proves=("default_base_image",)):
            image, helper = await self._find_images(record, engine)
        parts.finish()
        with record.layer(
            Layer.FITNESS,
            f"Engine {foreign(engine.version)} on {foreign('/'.join(engine.platform))} suits Mistle and the image",
            proves=("socket_path", "default_base_image"),
        ):
            info, free = await self._call(record, _info_and_free_space, engine)
            record.facts |= {"id": info.get("ID"), "version": engine.version, "api": engine.api}
            for diagnosis in (*unsuitable(engine, info, image, free), *helper):
                record.note(diagnosis)

    async def _identify(self, record: Recorder) -> Engine:
        try:
            return await self._call(record, lambda client: client.engine())
        except Exception as error:
            diagnosis = self.diagnose(error)
            # The SDK waits for the end of a line, which a server of another protocol may never send.
            if diagnosis and diagnosis.cause is causes.SILENT:
                received = await first_bytes(self.socket_path, HTTP.request, record.share_of_time(0.5))
                if not HTTP.matches(received):
                    raise Diagnosed(causes.NOT_DOCKER.diagnosis("its reply is not HTTP")) from error
            raise

    async def _check_network(self, record: Recorder, engine: Engine) -> None:
        try:
            network = await self._call(record, lambda client: client.network(self.network_name), engine)
        except Diagnosed as error:
            if error.diagnosis.cause is not causes.NETWORK_MISSING:
                raise
            made = remedies.create_network(self.socket_path, self.network_name)
            raise Diagnosed(replace(error.diagnosis, remedies=made)) from error
        if problem := _UNSUITABLE.get(str(network.get("Driver"))):
            raise Diagnosed(causes.NETWORK_UNSUITABLE.diagnosis(f"{self.network_name} {problem}"))
        if network.get("Scope") == "swarm" and not network.get("Attachable"):
            record.note(
                causes.NETWORK_NOT_ATTACHABLE.diagnosis(f"{self.network_name} is a Swarm network, not attachable")
            )

    async def _check_volumes(self, record: Recorder, engine: Engine, prefix: str) -> None:
        from checks.docker.client import Client
        from checks.docker.volumes import prove_volumes

        if record.settings.read_only:
            record.skip(Layer.ACCESS, "no volume is made: --read-only", (prefix,))
            return
        limit = record.share_of_time(0.25)
        await prove_volumes(record, lambda: Client(self.socket_path, limit, engine.api), self.name_prefix)

    async def _find_images(self, record: Recorder, engine: Engine) -> tuple[Image | None, tuple[Diagnosis, ...]]:
        """Find both images at once: the daemon may wait for each registry."""
        from checks.docker.images import find_helper, find_image

        if engine.is_podman:
            record.skip(Layer.ACCESS, "not tried: Podman looks up no image in a registry", ("default_base_image",))
            return None, ()
        image, helper = await asyncio.gather(
            self._call(record, lambda client: find_image(client, self.default_base_image), engine),
            self._call(record, find_helper, engine),
            return_exceptions=True,
        )
        if isinstance(image, BaseException):
            raise image
        return image, () if helper is None else self._without_helper(helper)

    def _without_helper(self, error: BaseException) -> tuple[Diagnosis, ...]:
        """A warning: Mistle needs its helper image too, but no key names it."""
        diagnosis = self.diagnose(error) if isinstance(error, Exception) else None
        if diagnosis is None:
            raise error
        made = remedies.pull(self.socket_path, "alpine:3.20")
        return (causes.HELPER_IMAGE_MISSING.diagnosis(diagnosis.message, remedies=made),)

    async def _call(self, record: Recorder, function: Callable[[Client], T], engine: Engine | None = None) -> T:
        """One or two calls to the daemon, with the API version of ``engine``."""
        from checks.docker.client import Client

        limit = record.share_of_time(0.6)
        version = {"version": engine.api} if engine else {}

        def work() -> T:
            with Client(self.socket_path, limit, **version) as client, waits.one_wait():
                return function(client)

        started = time.monotonic()
        async with asyncio.timeout(1.5 * limit):
            result = await in_thread(work)
        record.replied(started)
        return result

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """A diagnosis made where the error occurred comes first; everything else is an error of the SDK."""
        match error:
            case Diagnosed():
                return error.diagnosis
            case CheckTimeout():
                return causes.SILENT.diagnosis(f"{error} from {self.socket_path}")
            case TimeoutError():
                return causes.SILENT.diagnosis("connected, then no reply in time")
        from checks.docker.replies import diagnosis_of

        return diagnosis_of(error)


class LayerParts:
    """Parts of one layer: each is tried, even if another failed, unless the daemon itself no longer replies."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._failed: list[StopCheck] = []

    def __enter__(self) -> None: ...

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, StopCheck):
            return False
        self._failed.append(error)
        return self._record.findings[-1].id not in {causes.SILENT.id, causes.SLOW.id, causes.NOT_DOCKER.id}

    def finish(self) -> None:
        """Raise StopCheck if a part failed."""
        if self._failed:
            raise self._failed[0]


def _prove_calls(read_only: bool, client: Client) -> None:
    from checks.docker.calls import prove_calls

    prove_calls(client, read_only)


def _info_and_free_space(client: Client) -> tuple[dict[str, Any], int | None]:
    info = client.engine_info()
    return info, free_space(info)
