"""The addresses of a mail server, as nodemailer finds them: it asks DNS for the name as it stands, then the system.

The system reads its hosts file first, and may append search domains. Only where it may therefore find something else is
DNS asked here, in a thread: dnspython takes a tenth of a second to import.
"""

from __future__ import annotations

import asyncio
import pathlib
import re
from contextlib import suppress
from dataclasses import dataclass

from checks.core.finding import Diagnosis
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder
from checks.net.addresses import is_address
from checks.net.tcp import resolve as resolve_by_system
from checks.smtp import causes

_MAX_READ = 1 << 20  # characters of a file
_MAX_SHOWN = 3  # addresses
_FIRST_AND_NEXT = ("A", "AAAA")


@dataclass(frozen=True)
class NameRecords:
    """The addresses of a name in DNS and in the hosts file. ``is_silent``: DNS sent no reply in time."""

    addresses: tuple[str, ...]
    in_hosts: tuple[str, ...]
    is_silent: bool


async def resolve(record: Recorder, host: str, port: int) -> tuple[str, ...]:
    """Every address to which nodemailer may connect. Raises NoSuchName, socket.gaierror and MemoryError."""
    if is_address(host) or host.lower().rstrip(".") == "localhost":
        return await resolve_by_system(host, port)
    limit = record.share_of_time(0.3)
    found, records = await asyncio.gather(
        resolve_by_system(host, port), in_thread(lambda: _ask(host, limit)), return_exceptions=True
    )
    if isinstance(records, BaseException):
        raise records
    if records and (difference := _difference(host, records)):
        record.note(difference)
    if records and records.addresses:
        return records.addresses
    if isinstance(found, BaseException):
        raise found
    return found


def _difference(host: str, records: NameRecords) -> Diagnosis | None:
    if not set(records.in_hosts) - set(records.addresses):
        return None
    listed = f"/etc/hosts has {_shown(records.in_hosts)} for {host}"
    if records.addresses:
        in_dns = f"DNS has {_shown(records.addresses)}"
        return causes.HOSTS_FILE_DIFFERS.diagnosis(
            f"{listed}, and {in_dns}: Mistle connects to what DNS has, and so does this check"
        )
    if records.is_silent:
        return causes.HOSTS_FILE_DIFFERS.diagnosis(
            f"{listed}, and DNS sends no reply: Mistle waits for that reply, up to minutes, before it reads the file",
            hint=causes.SILENT_DNS,
        )
    return None


def _shown(addresses: tuple[str, ...]) -> str:
    return ", ".join(addresses[:_MAX_SHOWN]) + (", …" if len(addresses) > _MAX_SHOWN else "")


def _ask(host: str, limit: float) -> NameRecords | None:
    """Ask DNS, if the system might find something else there. Blocks, up to ``limit`` seconds."""
    in_hosts = _in_hosts(_read("/etc/hosts"), host)
    if not in_hosts and not _is_searched(_read("/etc/resolv.conf"), host):
        return None
    asked = [_query(host, kind, limit / len(_FIRST_AND_NEXT)) for kind in _FIRST_AND_NEXT]
    addresses = tuple(address for records in asked for address in records or ())
    return NameRecords(addresses, in_hosts, is_silent=None in asked)


def _query(host: str, kind: str, limit: float) -> tuple[str, ...] | None:
    """The addresses that DNS has; None if it sends no reply. nodemailer takes a refusal for the lack of an address."""
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver()
        return tuple(record.address for record in resolver.resolve(host, kind, search=False, lifetime=limit))
    except dns.exception.Timeout:
        return None
    except (dns.exception.DNSException, ValueError):
        return ()


def _in_hosts(text: str, host: str) -> tuple[str, ...]:
    wanted = host.lower().rstrip(".")
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return tuple(dict.fromkeys(line[0] for line in lines if wanted in map(str.lower, line[1:])))


def _is_searched(text: str, host: str) -> bool:
    """Whether the system asks for the name below its search domains before it asks for the name as it stands."""
    dots = re.findall(r"^options\b.*\bndots:(\d{1,2})", text, re.MULTILINE)
    searches = re.search(r"^(search|domain)\s+\S", text, re.MULTILINE)
    return bool(searches) and not host.endswith(".") and host.count(".") < int(dots[-1] if dots else 1)


def _read(path: str) -> str:
    with suppress(OSError), pathlib.Path(path).open(encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_READ)
    return ""
