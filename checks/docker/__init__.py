"""A Docker Engine, as Mistle's sandboxes use it: over its Unix socket, pulling without a login."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from checks.core.check import Check, CheckTimeout, Diagnosed, Diagnosis, Layer, StopCheck
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.core.threads import in_thread
from checks.docker import causes
from checks.docker.fitness import free_space, judge
from checks.docker.socket_access import open_socket
from checks.net.http import HTTP
from checks.net.tls import first_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from checks.docker.client import Client, Engine
    from checks.docker.images import Image

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class DockerEngine(Check):
    """Proves that sandboxes can start: the socket answers, network and image are to be had, volumes come and go.

    Writes one empty volume, `<name_prefix>mistle-preflight-<random>`, and removes it at once; with --read-only none.
    No container is made and no image is pulled: the daemon asks the image's registry for its manifest, without a login.
    Needs what Mistle needs: to open the socket, and a daemon that lets it see networks and images and make volumes.
    """

    kind = "docker"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("checks.docker.images", "checks.docker.volumes")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("docker", "requests", "urllib3"),
        *("checks.docker.client", "checks.docker.images"),
    )

    socket_path: str
    default_base_image: str
    network_name: str
    name_prefix: str
    volumes: bool = True  # whether the service in question makes them

    @property
    def target(self) -> str:
        """The socket and the image."""
        return f"{self.socket_path} {self.default_base_image}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """A Unix socket has neither a name to resolve nor a login."""
        return (Layer.CONNECT, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        """Open the socket; try network, volumes and image, each whatever the others say; judge the daemon's report."""
        with record.layer(Layer.CONNECT, f"a Docker Engine answers on {self.socket_path}", proves=("socket_path",)):
            limit = record.share_of_time(0.4)
            await in_thread(lambda: open_socket(self.socket_path, limit))
            engine = await self._greet(record)
        tries = Tries(record)
        if self.network_name:
            with tries, record.layer(Layer.ACCESS, f"network {self.network_name} is there", proves=("network_name",)):
                await self._see_network(record, engine)
        prefix = "name_prefix" if self.name_prefix else "socket_path"
        goal = f"may create and remove volumes {self.name_prefix}*"
        if self.volumes:
            with tries, record.layer(Layer.ACCESS, goal, proves=(prefix,)):
                await self._make_volume(record, engine, prefix)
        with tries, record.layer(Layer.ACCESS, f"{self.default_base_image} can be had", proves=("default_base_image",)):
            image, helper = await self._see_images(record, engine)
        tries.end()
        with record.layer(
            Layer.FITNESS,
            f"Engine {foreign(engine.version)} on {foreign('/'.join(engine.platform))} suits Mistle and the image",
            proves=("socket_path", "default_base_image"),
        ):
            report, free = await self._ask(record, _survey, engine)
            record.facts |= {"id": report.get("ID"), "version": engine.version, "api": engine.api}
            for diagnosis in (*judge(engine, report, image, free), *helper):
                record.note(diagnosis)

    async def _greet(self, record: Recorder) -> Engine:
        try:
            return await self._ask(record, lambda client: client.greet())
        except Exception as error:
            found = self.diagnose(error)
            # The SDK waits for the end of a line, which another protocol may never send.
            if found and found.cause is causes.SILENT:
                heard = await first_bytes(self.socket_path, HTTP.request, record.share_of_time(0.5))
                if not HTTP.matches(heard):
                    raise Diagnosed(causes.NOT_DOCKER.diagnosis("its answer is not HTTP")) from error
            raise

    async def _see_network(self, record: Recorder, engine: Engine) -> None:
        network = await self._ask(record, lambda client: client.network(self.network_name), engine)
        if network.get("Scope") == "swarm" and not network.get("Attachable"):
            record.note(
                causes.NETWORK_NOT_ATTACHABLE.diagnosis(f"{self.network_name} is a Swarm network, not attachable")
            )

    async def _make_volume(self, record: Recorder, engine: Engine, prefix: str) -> None:
        from checks.docker.client import Client
        from checks.docker.volumes import prove_volumes

        if record.settings.read_only:
            record.skip(Layer.ACCESS, "no volume is made: --read-only", (prefix,))
            return
        limit = record.share_of_time(0.25)
        await prove_volumes(record, lambda: Client(self.socket_path, limit, engine.api), self.name_prefix)

    async def _see_images(self, record: Recorder, engine: Engine) -> tuple[Image, tuple[Diagnosis, ...]]:
        """Both at once: each registry may keep the daemon waiting."""
        from checks.docker.images import find_helper, find_image

        image, helper = await asyncio.gather(
            self._ask(record, lambda client: find_image(client, self.default_base_image), engine),
            self._ask(record, find_helper, engine),
            return_exceptions=True,
        )
        if isinstance(image, BaseException):
            raise image
        return image, () if helper is None else self._without_helper(helper)

    def _without_helper(self, error: BaseException) -> tuple[Diagnosis, ...]:
        """Mistle needs its helper image as well, but no key names it."""
        reason = self.diagnose(error) if isinstance(error, Exception) else None
        if reason is None:
            raise error
        return (causes.HELPER_IMAGE_MISSING.diagnosis(reason.message),)

    async def _ask(self, record: Recorder, question: Callable[[Client], T], engine: Engine | None = None) -> T:
        """One or two calls to the daemon, in the version that it speaks."""
        from checks.docker.client import Client

        limit = record.share_of_time(0.6)
        version = {"version": engine.api} if engine else {}

        def answer() -> T:
            with Client(self.socket_path, limit, **version) as client:
                return question(client)

        async with asyncio.timeout(1.5 * limit):
            return await in_thread(answer)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """What was met where it happened; what is left is the SDK's."""
        match error:
            case Diagnosed():
                return error.diagnosis
            case CheckTimeout():
                return causes.SILENT.diagnosis(f"{error} from {self.socket_path}")
            case TimeoutError():
                return causes.SILENT.diagnosis("connected, then no answer in time")
        from checks.docker.client import diagnosis_of

        return diagnosis_of(error)


class Tries:
    """Rungs of one layer, each tried whatever the others found, unless the daemon itself is gone."""

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._failed: list[StopCheck] = []

    def __enter__(self) -> None: ...

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, StopCheck):
            return False
        self._failed.append(error)
        return self._record.findings[-1].id not in {causes.SILENT.id, causes.NOT_DOCKER.id}

    def end(self) -> None:
        """Raise ClimbEnded if a rung failed."""
        if self._failed:
            raise self._failed[0]


def _survey(client: Client) -> tuple[dict[str, Any], int | None]:
    report = client.report()
    return report, free_space(report)
