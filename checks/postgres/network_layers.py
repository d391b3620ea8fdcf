"""The layers below the login: what the client cannot read in the URL, a server that accepts connections, and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from checks.core.files import UnreadableFile, read
from checks.core.finding import Diagnosed, Diagnosis, Layer
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.network_errors import NAME_NOT_FOUND, NOT_PERMITTED, REFUSED
from checks.net.tcp import reach
from checks.net.tls import check_tls, uses_tls
from checks.postgres import causes
from checks.postgres.connections import ServerAddress
from checks.postgres.session import NotPostgres
from checks.postgres.tls_request import PROTOCOL, TlsRefused, raise_if_tls_port, reply_to_request, request_tls

if TYPE_CHECKING:
    from checks.postgres import Postgres

_MAX_FILE = 1 << 20  # bytes of a certificate or key
_DIRECT_HINT = "remove sslnegotiation from {url}: the server needs to be Postgres 17 or newer for it"
_TLS_LAYER = ("tls.", "network.plaintext-on-tls", "postgres.tls-refused")


async def reach_server(check: Postgres, record: Recorder) -> ServerAddress:
    """The dns and connect layers. Returns an address, or the path of a Unix socket, that accepts."""
    dialect = check.use.dialect
    if message := dialect.refusal(dict(check.query)):
        with record.layer(Layer.DNS, f"{dialect.client} can read the URL", proves=("url",)):
            record.note(causes.UNKNOWN_PARAMETER.diagnosis(f"{dialect.client}: {foreign(message)}"))
    if ":" in check.host and not dialect.ipv6:
        with record.layer(Layer.DNS, f"{dialect.client} can read the host", proves=("url",)):
            record.note(causes.IPV6_LITERAL.diagnosis(f"{dialect.client} cannot read [{check.host}]"))
    if check.socket and not dialect.sockets:
        with record.layer(Layer.DNS, f"{dialect.client} can read the host", proves=("url",)):
            name = foreign(quote(check.host, safe=""))
            message = f"{dialect.client} takes {name} for the name of a host: it reads no Unix socket in a URL"
            hint = "write a host name, and a port, in {url}"
            record.note(NAME_NOT_FOUND.diagnosis(message, hint=hint, blames=("url",)))
    if not check.socket:
        protocol = None if check.tls.enabled else PROTOCOL
        return (await reach(record, check.host, check.port, protocol=protocol), check.port)
    with record.layer(Layer.CONNECT, f"{check.socket} accepts connections", proves=("url",)):
        await _try_socket(check.socket)
    return check.socket


async def check_tls_layer(check: Postgres, record: Recorder, address: ServerAddress) -> bool:
    """The tls layer, on a connection of its own. Returns whether the session is to use TLS."""
    limit = record.share_of_time(0.3)
    if not check.tls.enabled:
        if files_of(check):
            with record.layer(Layer.TLS, f"{check.use.dialect.client} can read the files in the URL", proves=("url",)):
                await in_thread(partial(_read_files, check, record, 0.8 * limit))
        return False
    if isinstance(address, str):
        with record.layer(Layer.TLS, "TLS on a Unix socket", proves=("url",)):
            record.note(causes.TLS_REFUSED.diagnosis("the URL asks for TLS on a Unix socket, which has none"))
        return False
    if check.tls.falls_back and await reply_to_request(address, record.share_of_time(0.6)) != b"S":
        record.skip(Layer.TLS, "the server has no TLS, and sslmode=prefer goes on without", ("url",))
        return False
    if check.tls.direct:
        await _try_direct(record, address, limit)

    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await in_thread(partial(_read_files, check, record, 0.8 * limit))
        if check.tls.direct:
            return
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


async def _try_direct(record: Recorder, address: tuple[str, int], limit: float) -> None:
    """Raises StopCheck if the server is Postgres and accepts no handshake without a request before it."""
    reply = await reply_to_request(address, limit)
    if reply == b"S" and not await uses_tls(address, limit):
        with record.layer(Layer.TLS, "TLS from the first byte", proves=("url",)):
            message = "sslnegotiation=direct: the server closes a connection that begins with TLS"
            record.note(causes.UNKNOWN_PARAMETER.diagnosis(message, hint=_DIRECT_HINT))
    if reply == b"N":
        with record.layer(Layer.TLS, "TLS from the first byte", proves=("url",)):
            raise TlsRefused("the server replies that it has none")


def files_of(check: Postgres) -> tuple[tuple[str, str], ...]:
    """The parameters of the URL whose files the client reads, and the files."""
    return tuple((name, path) for name, path in check.query if path and name in check.use.dialect.files)


def _read_files(check: Postgres, record: Recorder, seconds: float) -> None:
    """Read the files that the client reads. Raises UnreadableFile, for the roots, or Diagnosed."""
    trust = check.trust(record)
    if any(check.tls.own):
        with _unreadable("sslcert and sslkey"):
            trust.load_own(seconds)
    if check.tls.roots:
        trust.load(seconds)
    for name, path in files_of(check):
        if path != check.tls.roots and path not in check.tls.own:
            with _unreadable(name):
                read(Path(path), _MAX_FILE, seconds)


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except UnreadableFile as error:
        message = f"{name}: the file {foreign(str(error))}"
        raise Diagnosed(causes.ROOTS_UNREADABLE.diagnosis(message)) from error
