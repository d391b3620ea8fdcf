"""Whether a daemon can have an image, as Mistle gets it: pulled without a login, before every start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, InvalidRepository  # type: ignore[import-untyped]
from requests.exceptions import Timeout

from checks.core.check import Cause, Diagnosed
from checks.core.text import foreign
from checks.docker import causes
from checks.docker.client import Client, message_of

HELPER = "alpine:3.20"
_ID = re.compile(r"sha256:[a-f0-9]{64}", re.IGNORECASE)


@dataclass(frozen=True)
class Image:
    """An image that a sandbox can be started from, and each (system, architecture) that it is made for."""

    reference: str
    platforms: frozenset[tuple[str, str]]

    @property
    def has_no_tag(self) -> bool:
        """Whether its name leaves open which one of its repository is meant."""
        last = self.reference.rpartition("/")[2]
        return "@" not in last and ":" not in last


def find_image(client: Client, reference: str) -> Image:
    """The image that Mistle would start. Raises Met."""
    return _own(client, reference) if _ID.fullmatch(reference) else _pullable(client, reference)


def find_helper(client: Client) -> None:
    """The image that prepares volumes, in the daemon or in its registry. Raises Met."""
    if not _copy(client, HELPER):
        _pullable(client, HELPER)


def _own(client: Client, image_id: str) -> Image:
    """Named by its id, an image is not pulled."""
    found = _copy(client, image_id.lower())
    if not found:
        raise Diagnosed(
            causes.IMAGE_MISSING.diagnosis("the daemon has no image with this id, and an id names no registry")
        )
    return Image(image_id, _platforms([found]))


def _pullable(client: Client, reference: str) -> Image:
    try:
        return Image(reference, _platforms(client.registry(reference).get("Platforms")))
    except Timeout as error:
        said = f"no answer about {reference} within {client.timeout:.1f} s: the daemon still waits for the registry"
        raise _met(client, reference, causes.REGISTRY_UNREACHABLE, said) from error
    except APIError as error:
        cause = causes.by_words(message_of(error), error.status_code)
        raise _met(client, reference, cause, f"of {reference} the daemon says: {message_of(error)}") from error
    except InvalidRepository as error:
        raise Diagnosed(causes.BAD_REFERENCE.diagnosis(str(error))) from error


def _met(client: Client, reference: str, cause: Cause, message: str) -> Diagnosed:
    """When the daemon has the image already, the way out is its id."""
    copy = _copy(client, reference)
    if not copy:
        return Diagnosed(cause.diagnosis(message))
    own_id = foreign(str(copy.get("Id")), 80)
    message += "; the daemon has a copy, but Mistle pulls before every start"
    return Diagnosed(
        cause.diagnosis(message, hint=f"{cause.hint}; or write there the id of the daemon's copy, {own_id}")
    )


def _copy(client: Client, reference: str) -> dict[str, Any]:
    """The daemon's own image, or nothing."""
    try:
        found: dict[str, Any] = client.inspect_image(reference)
    except APIError:
        return {}
    return found


def _platforms(found: Any) -> frozenset[tuple[str, str]]:
    """As a registry writes them, in lower case, or as the daemon does, capitalized."""
    listed = found if isinstance(found, list) else ()
    named = ({name.lower(): value for name, value in each.items()} for each in listed if isinstance(each, dict))
    return frozenset((str(each.get("os")), str(each.get("architecture"))) for each in named)
