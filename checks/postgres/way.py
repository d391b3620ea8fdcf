"""The layers below the login: what the client cannot read in the URL, a server that accepts connections, and TLS."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed, Diagnosis, Layer
from checks.core.files import UnreadableFile, read
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.core.threads import in_thread
from checks.net.network_errors import NOT_PERMITTED, REFUSED
from checks.net.tcp import reach
from checks.net.tls import check_tls
from checks.postgres import causes
from checks.postgres.connections import Place
from checks.postgres.session import NotPostgres
from checks.postgres.tls_request import PROTOCOL, raise_if_tls_port, reply_to_request, request_tls

if TYPE_CHECKING:
    from checks.postgres import Postgres

_MAX_FILE = 1 << 20  # bytes of a certificate or key
_TLS_LAYER = ("tls.", "network.plaintext-on-tls", "postgres.tls-refused")


async def reach_server(check: Postgres, record: Recorder) -> Place:
    """The dns and connect layers. Returns an address, or the path of a Unix socket, that accepts."""
    dialect = check.use.dialect
    if message := dialect.refusal(dict(check.query)):
        with record.layer(Layer.DNS, f"{dialect.client} can read the URL", proves=("url",)):
            record.note(causes.UNKNOWN_PARAMETER.diagnosis(f"{dialect.client}: {foreign(message)}"))
    if ":" in check.host and not dialect.ipv6:
        with record.layer(Layer.DNS, f"{dialect.client} can read the host", proves=("url",)):
            record.note(causes.IPV6_LITERAL.diagnosis(f"{dialect.client} cannot read [{check.host}]"))
    if not check.socket:
        protocol = None if check.tls.enabled else PROTOCOL
        return (await reach(record, check.host, check.port, protocol=protocol), check.port)
    with record.layer(Layer.CONNECT, f"{check.socket} accepts connections", proves=("url",)):
        await _try_socket(check.socket)
    return check.socket


async def check_tls_layer(check: Postgres, record: Recorder, address: Place) -> bool:
    """The tls layer, on a connection of its own. Returns whether the session is to use TLS."""
    if not check.tls.enabled:
        return False
    if isinstance(address, str):
        with record.layer(Layer.TLS, "TLS on a Unix socket", proves=("url",)):
            record.note(causes.TLS_REFUSED.diagnosis("the URL asks for TLS on a Unix socket, which has none"))
        return False
    if check.tls.falls_back and await reply_to_request(address, record.share_of_time(0.6)) != b"S":
        record.skip(Layer.TLS, "the server has no TLS, and sslmode=prefer goes on without", ("url",))
        return False
    limit = record.share_of_time(0.3)

    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await in_thread(partial(_read_files, check, 0.8 * limit))
        try:
            await request_tls(reader, writer)
        except (NotPostgres, EOFError, ConnectionError):
            await raise_if_tls_port(address, limit)
            raise

    name = check.use.dialect.certificate_name(check.host)
    await check_tls(record, name, address, verify=check.tls.verified, upgrade=upgrade, trust=check.trust(record))
    return True


def about_sslmode(check: Postgres, diagnosis: Diagnosis | None) -> Diagnosis | None:
    """The diagnosis; of a failure of TLS, the hint is about sslmode where that is a word that no client knows."""
    mode = check.use.dialect.misspelt_mode(dict(check.query))
    if not (mode and diagnosis and diagnosis.cause.id.startswith(_TLS_LAYER)):
        return diagnosis
    hint = (
        f"sslmode={foreign(mode)} is no word that {check.use.dialect.client} knows, so it asks for a verified "
        "certificate: write disable, require or verify-full in {url}"
    )
    return replace(diagnosis, hint=hint)


async def _try_socket(path: str) -> None:
    """Raises Diagnosed when the Unix socket does not accept."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        cause = NOT_PERMITTED if isinstance(error, PermissionError) else REFUSED
        hint = "run this where the socket is mounted, as Mistle does, or correct its folder in {url}"
        message = f"the Unix socket {foreign(path)} does not accept: {error.strerror or error}"
        raise Diagnosed(cause.diagnosis(message, hint=hint, blames=("url",))) from error
    writer.transport.abort()


def _read_files(check: Postgres, seconds: float) -> None:
    """Read the files that the client reads. Raises UnreadableFile, for the roots, or Diagnosed."""
    if check.tls.roots:
        check.roots.load(seconds)
    for name, path in check.query:
        if name in check.use.dialect.files and path:
            try:
                read(Path(path), _MAX_FILE, seconds)
            except UnreadableFile as error:
                message = f"{name}: the file {foreign(str(error))}"
                raise Diagnosed(causes.ROOTS_UNREADABLE.diagnosis(message)) from error
