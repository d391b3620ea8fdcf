"""What a check reports: layers, statuses, causes, findings, and the exceptions that end a check.

The exceptions of ``checks/``::

    Exception
    ├── StopCheck             a layer failed, and its finding is recorded
    ├── CheckTimeout          the time limit ended a layer
    ├── Diagnosed             carries the diagnosis, where the code that raises it knows the cause
    │   └── UnexpectedReply   net.http: a reply that the service never sends
    ├── UnreadableFile        core.files: a file that cannot be read, or holds no certificates
    ├── ConnectFailed         net.addresses: an address does not accept; the cause is the system's error
    ├── NoSuchName            net.network_errors: the host name does not exist
    ├── HandshakeFailed       net.handshake: TLS failed in the handshake; the cause is OpenSSL's error
    ├── Stalled               net.tls_errors: the server replies, and a handshake does not end
    ├── NotTls                net.tls_errors: TLS is configured, the server replies in plaintext
    ├── NameRefused           net.tls_errors: TLS works, but not with the name that Mistle's client sends
    ├── TlsOnPlaintext        net.tls_errors: plaintext is configured, the server uses TLS
    ├── NotHttp, NotJson      net.http, net.proxies: the reply, or its body, cannot be parsed
    ├── FromProxy             net.proxies: a proxy replies in the service's name; carries the diagnosis
    │   └── Http2Only         net.proxies: the port speaks HTTP/2 alone
    ├── UnusableSecret        net.tokens: no token can be signed with this secret
    ├── OSError
    │   ├── ResponseTooLarge  core.limits: the server sent more than a check reads
    │   └── LookUpFailed      net.network_errors: whether a host name exists is unknown
    └── a kind's own errors   next to the code that raises them; the kind's ``diagnose`` maps them to causes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING

from checks.core.text import marked

if TYPE_CHECKING:
    from checks.core.remedy import Remedies


HOST, PORT, ADDRESSES = "host", "port", "addresses"  # facts of a check of the network: where its server is
ISSUER = "issuer"  # a fact: who issued the certificate that was refused
_MAX_MESSAGE = 1000  # characters: a message may list all allowed values
_MAX_HINT = 2000  # characters: a hint may name many keys and their positions


class Layer(StrEnum):
    """The layers of a check, lowest first.

    ``access``: the login may do what Mistle does; ``fitness``: the resource suits Mistle.
    """

    CONFIG = "config"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    ACCESS = "access"
    FITNESS = "fitness"


class Status(IntEnum):
    """A verdict, ordered so that ``max()`` is the verdict of a group."""

    OK = 0
    SKIP = 1
    WARN = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Cause:
    """What can be wrong, as documented in docs/findings.md.

    In ``hint``, ``{field}`` stands for the position where the operator wrote that field of the check, and ``{blamed}``
    for the positions of all blamed fields. If ``blames`` is None, the fields that the failed layer would have proven
    are blamed. ``former`` are ids that reported it in earlier versions: ``--ignore`` with one of them covers it.
    ``remedies`` are those of each of its findings. A ``…`` in one stands for a name: it shows the form of a command.
    """

    id: str
    layer: Layer
    means: str
    hint: str = ""
    blames: tuple[str, ...] | None = None
    status: Status = Status.FAIL
    heals: bool | None = None  # whether waiting may cure it, as while a server starts. None: it is no problem
    former: tuple[str, ...] = ()
    slow: Cause | None = None  # the cause that replaces this one if the server has replied before, slowly
    hint_later: str = ""  # the hint if the server has replied before
    remedies: Remedies = ()

    def diagnosis(
        self,
        message: str,
        *,
        hint: str | None = None,
        blames: tuple[str, ...] | None = None,
        status: Status | None = None,
        remedies: Remedies = (),
    ) -> Diagnosis:
        """A diagnosis of this cause. ``message`` is what was observed; the other arguments override the cause's."""
        return Diagnosis(
            cause=self,
            message=message,
            hint=self.hint if hint is None else hint,
            blames=self.blames if blames is None else blames,
            status=self.status if status is None else status,
            remedies=remedies or tuple(each for each in self.remedies if not each.is_form),
        )


# A problem is temporary if waiting may cure it, as while a server starts; otherwise it is permanent.
temporary, permanent = partial(Cause, heals=True), partial(Cause, heals=False)


def causes_in(module: Mapping[str, object]) -> tuple[Cause, ...]:
    """Every cause among a module's globals, in the order of their definition.

    A cause of another module counts too: a module that needs one imports the other module, not the cause.
    """
    return tuple(value for value in module.values() if isinstance(value, Cause))


@dataclass(frozen=True)
class Diagnosis:
    """A cause that occurred: what was observed, what to change, which fields of the check are at fault."""

    cause: Cause
    message: str
    hint: str
    blames: tuple[str, ...] | None
    status: Status
    remedies: Remedies = ()


@dataclass(frozen=True)
class Finding:
    """One line of a check's report. ``fields`` are the check's fields that it blames or proves.

    ``message`` and ``hint`` may quote a server. They are cleaned here, so that all later code may print them.
    """

    id: str
    layer: Layer
    status: Status
    message: str
    hint: str = ""
    fields: tuple[str, ...] = ()
    seconds: float = 0.0
    remedies: Remedies = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", marked(self.message, _MAX_MESSAGE))
        object.__setattr__(self, "hint", marked(self.hint, _MAX_HINT))


class CheckTimeout(Exception):
    """The time limit, in seconds, ended the check during this layer."""

    def __init__(self, layer: Layer, limit: float) -> None:
        super().__init__(f"no reply within {limit:.3g} s")
        self.layer = layer
        self.limit = limit


class Diagnosed(Exception):
    """Carries a diagnosis, where the code that raises it knows the cause; the recorder notes it as it is."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis


class StopCheck(Exception):
    """A layer failed, and that is recorded. The layers above it are not tried."""
