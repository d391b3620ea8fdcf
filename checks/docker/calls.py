"""Tries the calls with which Mistle runs a sandbox: a filter in front of the socket may refuse some of them.

Each call names a container that does not exist, or describes none: the daemon must refuse it, so it has no effect.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker.errors import APIError  # type: ignore[import-untyped]

from checks.core.finding import Diagnosed
from checks.docker import causes
from checks.docker.replies import is_filters, is_from_proxy, message_of, not_docker

if TYPE_CHECKING:
    from checks.docker.client import Client

_NO_NAME = "-"  # a container's name begins with a letter or digit


@dataclass(frozen=True)
class Call:
    """A request as Docker's API documents it; ``{id}`` stands for a container that does not exist."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    has_body: bool = False  # an empty object

    @property
    def name(self) -> str:
        """The call as SECURITY.md writes it."""
        return f"{self.method} {self.path}"

    def about(self, container: str) -> tuple[str, dict[str, str]]:
        """Its path and its query, with a container's name."""
        query = {name: value.replace("{id}", container) for name, value in self.query.items()}
        return self.path.replace("{id}", container), query


_CALLS = (
    Call("POST", "/images/create", {"fromImage": "Mistle/Preflight", "tag": "none"}),  # a name has no capitals
    Call("POST", "/containers/create", {"name": _NO_NAME}, has_body=True),  # nor may the description be empty
    Call("POST", "/containers/{id}/start"),
    Call("POST", "/containers/{id}/stop"),
    Call("POST", "/containers/{id}/wait"),
    Call("GET", "/containers/{id}/json"),
    Call("GET", "/containers/{id}/logs", {"stdout": "1"}),
    Call("DELETE", "/containers/{id}"),
    Call("POST", "/commit", {"container": "{id}"}, has_body=True),
)


def prove_calls(client: Client, read_only: bool) -> None:
    """Raises Diagnosed, with every call that is refused."""
    refused = list(_refused(client, [call for call in _CALLS if call.method == "GET" or not read_only]))
    if refused:
        names, error = ", ".join(call.name for call, _ in refused), refused[0][1]
        message = f"the socket refuses {names}, with which Mistle runs sandboxes"
        reply = f"{message_of(error)} (HTTP {error.status_code})"
        raise Diagnosed(causes.CALL_REFUSED.diagnosis(f"{message}: {reply}"))


def _refused(client: Client, calls: list[Call]) -> Iterator[tuple[Call, APIError]]:
    container = f"mistle-preflight-{secrets.token_hex(8)}"
    for call in calls:
        path, query = call.about(container)
        try:
            made = client.attempt(call.method, path, query, {} if call.has_body else None)
        except APIError as error:
            if is_from_proxy(error):
                raise
            if is_filters(error):
                yield call, error
        else:
            _remove(client, made)
            raise not_docker(f"it accepts {call.name} of what does not exist")


def _remove(client: Client, made: object) -> None:
    """Remove the container: a daemon creates none here, but another server may have created one."""
    if isinstance(made, dict) and isinstance(made.get("Id"), str):
        with suppress(APIError):
            client.remove_container(made["Id"])
