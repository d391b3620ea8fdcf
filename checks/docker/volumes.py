"""Creates a volume and removes it, also after an error or a time-out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from docker.errors import APIError  # type: ignore[import-untyped]
from requests.exceptions import RequestException

from checks.core.finding import Diagnosed
from checks.core.loop import waits
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.docker import causes
from checks.docker.client import Client
from checks.docker.replies import is_filters, is_from_proxy, message_of

_GRACE = 0.2  # seconds for the removal, after a time-out or a signal


class VolumeStateUnknown(Diagnosed):
    """The daemon no longer replies; the volume may exist."""

    def __init__(self, call: str, name: str) -> None:
        message = f"no reply to the {call} of the volume {name}, which may be left behind"
        hint = f"{causes.SILENT.hint}; then remove what is left: docker volume rm {name}"
        super().__init__(causes.SILENT.diagnosis(message, hint=hint))


async def prove_volumes(record: Recorder, connect: Callable[[], Client], name_prefix: str) -> None:
    """Create and remove a fresh volume, in a thread that continues after a time-out. Raises Diagnosed."""
    name = f"{name_prefix}mistle-preflight-{secrets.token_hex(8)}"
    work = asyncio.ensure_future(in_thread(lambda: _create_and_remove(connect, name)))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait({work}, timeout=_GRACE)
        if not done or isinstance(work.exception(), VolumeStateUnknown):
            record.note(causes.LEFTOVER.diagnosis(f"the volume {name} could not be removed in time"))
        raise


def _create_and_remove(connect: Callable[[], Client], name: str) -> None:
    with connect() as client:
        client.open_for_removal(name)
        try:
            _call("creation", name, client.create_volume)
        except VolumeStateUnknown:  # the volume may exist nevertheless
            with suppress(Diagnosed):
                _call("removal", name, client.remove_volume)
            raise
        _call("removal", name, client.remove_volume)


def _call(call: str, name: str, function: Callable[[str], object]) -> None:
    try:
        with waits.one_wait():
            function(name)
    except APIError as error:
        if is_from_proxy(error):
            raise VolumeStateUnknown(call, name) from error
        cause = causes.CALL_REFUSED if is_filters(error) else causes.VOLUME_REFUSED
        message = f"the {call} of the volume {name} is refused: {message_of(error)}"
        hint = f"{cause.hint}; then remove it: docker volume rm {name}" if call == "removal" else None
        raise Diagnosed(cause.diagnosis(message, hint=hint)) from error
    except RequestException as error:
        raise VolumeStateUnknown(call, name) from error
