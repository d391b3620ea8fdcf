"""Whether a daemon can pull an image, as Mistle does: without a login, before every start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, InvalidRepository  # type: ignore[import-untyped]
from requests.exceptions import Timeout

from checks.core.finding import Cause, Diagnosed
from checks.core.text import foreign
from checks.docker import causes
from checks.docker.client import Client
from checks.docker.replies import message_of

HELPER = "alpine:3.20"
_PART_OF_ID = re.compile(r"[a-f0-9]{64}|[a-f0-9]{12}|sha256:[a-f0-9]{1,64}", re.IGNORECASE)
_ID = re.compile(r"sha256:[a-f0-9]{64}", re.IGNORECASE)


@dataclass(frozen=True)
class Image:
    """An image that a sandbox can start from, and each (system, architecture) that it is built for."""

    reference: str
    platforms: frozenset[tuple[str, str]]

    @property
    def has_no_tag(self) -> bool:
        """Whether its name has neither tag nor digest."""
        last = self.reference.rpartition("/")[2]
        return "@" not in last and ":" not in last


def find_image(client: Client, reference: str) -> Image:
    """The image that Mistle would start. Raises Diagnosed."""
    return _by_id(client, reference) if _ID.fullmatch(reference) else _pullable(client, reference)


def find_helper(client: Client) -> None:
    """The image that prepares volumes, in the daemon or in its registry. Raises Diagnosed."""
    if not _copy(client, HELPER):
        _pullable(client, HELPER)


def _by_id(client: Client, image_id: str) -> Image:
    """An image that is named by its id is not pulled."""
    copy = _copy(client, image_id.lower())
    if not copy:
        raise Diagnosed(
            causes.IMAGE_MISSING.diagnosis("the daemon has no image with this id, and an id names no registry")
        )
    return Image(image_id, _platforms([copy]))


def _pullable(client: Client, reference: str) -> Image:
    try:
        return Image(reference, _platforms(client.registry(reference).get("Platforms")))
    except Timeout as error:
        message = f"no reply about {reference} within {client.timeout:.1f} s: the daemon still waits for the registry"
        raise _diagnosed(client, reference, causes.REGISTRY_UNREACHABLE, message) from error
    except APIError as error:
        cause = causes.by_message(message_of(error), error.status_code)
        message = f"the daemon reports about {reference}: {message_of(error)}"
        raise _diagnosed(client, reference, cause, message) from error
    except InvalidRepository as error:
        raise Diagnosed(causes.BAD_REFERENCE.diagnosis(str(error))) from error


def _diagnosed(client: Client, reference: str, cause: Cause, message: str) -> Diagnosed:
    """If the daemon has the image already, the hint offers its id."""
    copy = _copy(client, reference)
    if cause is not causes.CALL_REFUSED and (part := _part_of_id(reference, copy)):
        return part
    if not copy:
        return Diagnosed(cause.diagnosis(message))
    own_id = foreign(str(copy.get("Id")), 80)
    message += "; the daemon has a copy, but Mistle pulls before every start"
    return Diagnosed(
        cause.diagnosis(message, hint=f"{cause.hint}; or write there the id of the daemon's copy, {own_id}")
    )


def _part_of_id(reference: str, copy: Mapping[str, Any]) -> Diagnosed | None:
    """The error for an image's id, or a part of one, that Mistle reads as a name; None for any other reference."""
    image_id = str(copy.get("Id"))
    is_of_copy = image_id.removeprefix("sha256:").startswith(reference.lower().removeprefix("sha256:"))
    if not (is_of_copy or (not copy and _PART_OF_ID.fullmatch(reference))):
        return None
    message = f"{reference} is an image's id without its beginning or end: Mistle looks it up in a registry, as a name"
    hint = f"write {foreign(image_id, 80)} in {{default_base_image}}" if copy else causes.PART_OF_ID
    return Diagnosed(causes.BAD_REFERENCE.diagnosis(message, hint=hint))


def _copy(client: Client, reference: str) -> dict[str, Any]:
    """The daemon's own copy of the image, or nothing."""
    try:
        copy: dict[str, Any] = client.inspect_image(reference)
    except APIError:
        return {}
    return copy


def _platforms(entries: Any) -> frozenset[tuple[str, str]]:
    """The platforms in a reply. A registry writes the keys in lower case, the daemon with capitals."""
    listed = entries if isinstance(entries, list) else ()
    named = ({name.lower(): value for name, value in each.items()} for each in listed if isinstance(each, dict))
    return frozenset((str(each.get("os")), str(each.get("architecture"))) for each in named)
