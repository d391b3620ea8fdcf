"""The docker package, without the files that it reads from the caller's home, and with bounded replies.

Imported only when a check runs: it loads the SDK.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from docker import APIClient  # type: ignore[import-untyped]
from docker.errors import APIError  # type: ignore[import-untyped]
from docker.transport.unixconn import (  # type: ignore[import-untyped]
    UnixHTTPAdapter,
    UnixHTTPConnection,
    UnixHTTPConnectionPool,
)
from docker.utils import config  # type: ignore[import-untyped]
from requests import PreparedRequest, Response

from checks.core.finding import Diagnosed
from checks.core.limits import MAX_BYTES, MAX_CHUNKS, BoundedResponse, ResponseTooLarge
from checks.core.text import foreign
from checks.docker import causes
from checks.docker.replies import as_object, is_dockers, is_from_proxy, message_in, message_of, not_docker, parsed

_LOCK = threading.Lock()
_OLDEST = "1.24"  # the oldest that the SDK supports; the first request names no version
_MINIMUM = (1, 30)  # the first that can inspect an image in a registry
_PODMAN = "Podman Engine"


class _Connection(UnixHTTPConnection):  # type: ignore[misc]
    response_class = BoundedResponse


class _Pool(UnixHTTPConnectionPool):  # type: ignore[misc]
    def _new_conn(self) -> _Connection:
        return _Connection(self.base_url, self.socket_path, self.timeout)


class _Adapter(UnixHTTPAdapter):  # type: ignore[misc]
    """The SDK's adapter, with a bounded connection for each path."""

    def get_connection(self, url: str, _proxies: object = None) -> _Pool:
        path = url.partition("?")[0]
        with self.pools.lock:
            if not self.pools.get(path):
                self.pools[path] = _Pool(path, self.socket_path, self.timeout)
            pool: _Pool = self.pools[path]
        return pool


@dataclass(frozen=True)
class Engine:
    """The daemon's reply to GET /version."""

    version: str
    api: str
    platform: tuple[str, str]
    name: str = "Engine"

    @property
    def is_podman(self) -> bool:
        """Whether it is Podman's service, which offers an old version of Docker's API, without registries."""
        return self.name == _PODMAN


class Client(APIClient):  # type: ignore[misc]
    """Calls the daemon at ``path``; each call takes at most ``limit`` seconds and follows no redirect."""

    def __init__(self, path: str, limit: float, version: str = _OLDEST) -> None:
        with _no_home():
            super().__init__(f"unix://{path}", version, limit)
        self._adapter = _Adapter(f"http+unix://{path}", limit)
        self.mount("http+docker://", self._adapter)
        self.trust_env = False  # neither proxies nor ~/.netrc

    def open_for_removal(self, volume: str) -> None:
        """Connect for the removal of the volume now: a lack of descriptors cannot prevent it later. Raises OSError."""
        pool = self._adapter.get_connection(self._url("/volumes/{0}", volume))
        connection = pool._get_conn()
        connection.connect()
        pool._put_conn(connection)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """One call. Reads the whole reply, up to a limit."""
        response: Response = super().send(request, **(options | {"stream": True}))
        with closing(response):
            content = b""
            for number, chunk in enumerate(response.iter_content(65536)):
                content += chunk
                if len(content) > MAX_BYTES or number > MAX_CHUNKS:
                    raise ResponseTooLarge
        response._content = content
        response.encoding = "utf-8"  # otherwise requests guesses it, from every byte
        return response

    def _result(self, response: Response, json: bool = False, binary: bool = False) -> object:
        self._raise_for_status(response)
        return parsed(response) if json else response.content if binary else response.text

    def _raise_for_status(self, response: Response) -> None:
        """The SDK's own method does not check the form of the reply."""
        if response.status_code >= 400:
            text = response.text.strip()
            plain = str(response.reason) if text.startswith("<") else text  # proxies send a page
            raise APIError(f"HTTP {response.status_code}", response, message_in(response) or plain)

    def get_redirect_target(self, resp: Response) -> None:
        """Follow no redirect."""

    def engine(self) -> Engine:
        """The daemon's version. Raises Diagnosed, APIError."""
        try:
            reply = as_object(self.version(api_version=False))
        except APIError as error:
            if is_dockers(error) or is_from_proxy(error):
                raise
            raise not_docker(f"it answers HTTP {error.status_code}: {message_of(error)}") from error
        api = str(reply.get("ApiVersion"))
        if not re.fullmatch(r"\d{1,3}\.\d{1,3}", api):
            raise not_docker("its reply names no API version")
        if tuple(map(int, api.split("."))) < _MINIMUM:
            raise Diagnosed(causes.API_TOO_OLD.diagnosis(f"the daemon has API {foreign(api)}; Mistle needs 1.45"))
        platform = str(reply.get("Os")), str(reply.get("Arch"))
        return Engine(str(reply.get("Version")), api, platform, _PODMAN if _is_podman(reply) else "Engine")

    def network(self, name: str) -> dict[str, Any]:
        """A network by its name or id. Raises Diagnosed."""
        try:
            return as_object(self.inspect_network(name))
        except APIError as error:
            if error.status_code != 404:
                raise
            names = ", ".join(sorted(str(as_object(each).get("Name")) for each in self.networks()))
            raise Diagnosed(
                causes.NETWORK_MISSING.diagnosis(f"there is no network {name}; there are {foreign(names)}")
            ) from error

    def engine_info(self) -> dict[str, Any]:
        """The daemon's description of itself and its machine."""
        return as_object(self.info())

    def attempt(self, method: str, path: str, query: Mapping[str, str], body: object) -> object:
        """Any call, with a body unless that is None. Returns the parsed reply, or None; raises APIError."""
        options: dict[str, Any] = {"params": query, "timeout": self.timeout}
        if body is not None:
            options["json"] = body
        response = self.request(method, self._url(path), **options)
        self._raise_for_status(response)
        return parsed(response) if response.content else None

    def registry(self, reference: str) -> dict[str, Any]:
        """The registry's description of an image. The daemon requests it without a login, as Mistle pulls."""
        return as_object(self.inspect_distribution(reference, auth_config={}))


@contextmanager
def _no_home() -> Iterator[None]:
    """Within it the SDK finds no ~/.docker/config.json, which holds logins, headers and proxies that Mistle lacks."""
    with _LOCK:
        find = config.find_config_file
        config.find_config_file = lambda _path=None: None
        try:
            yield
        finally:
            config.find_config_file = find


def _is_podman(version: Mapping[str, Any]) -> bool:
    """Whether this reply to GET /version is Podman's."""
    parts = version.get("Components")
    return isinstance(parts, list) and any(isinstance(each, dict) and each.get("Name") == _PODMAN for each in parts)
