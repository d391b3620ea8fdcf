"""What every check is made of: layers, statuses, causes, findings, and the exceptions that end a check.

The exceptions of ``checks/``::

    Exception
    ├── StopCheck             a layer failed, and its finding is recorded
    ├── CheckTimeout          the time limit ended a layer
    ├── Diagnosed             carries the diagnosis, where the code that raises it knows the cause
    │   └── UnexpectedReply   net.http: a reply that the service never sends
    ├── UnreadableFile        core.files: a file that cannot be read, or holds no certificates
    ├── ConnectFailed         net.addresses: an address does not accept; the cause is the system's error
    ├── NoSuchName            net.network_errors: the host name does not exist
    ├── NotTls                net.tls_errors: TLS is configured, the server replies in plaintext
    ├── TlsOnPlaintext        net.tls_errors: plaintext is configured, the server speaks TLS
    ├── NotHttp, NotJson      net.http: the reply, or its body, cannot be parsed
    ├── OSError
    │   └── ResponseTooLarge  core.limits: the server sent more than a check reads
    └── a kind's own errors   next to the code that raises them; the kind's ``diagnose`` maps them to causes
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar

from checks.core.text import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checks.core.recorder import Recorder
    from checks.core.roots import Trust


_LONGEST_MESSAGE = 1000  # characters: it may name everything that could stand in place of a wrong word
_LONGEST_HINT = 2000  # it names places, and there may be many


class Layer(StrEnum):
    """The rungs of a climb, lowest first. ``access``: may it do what Mistle does; ``fitness``: is it right for it."""

    CONFIG = "config"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    ACCESS = "access"
    FITNESS = "fitness"


class Status(IntEnum):
    """A verdict, ordered so that ``max()`` of a group is the group's."""

    OK = 0
    SKIP = 1
    WARN = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Cause:
    """One thing that can be found: an entry of docs/findings.md.

    ``hint`` may hold ``{field}`` for the place where the operator wrote that field of the check, and ``{blamed}`` for
    the places of all blamed fields. ``blames`` of None means: whatever the failed rung would have proven.
    """

    id: str
    layer: Layer
    means: str
    hint: str = ""
    blames: tuple[str, ...] | None = None
    status: Status = Status.FAIL

    def diagnosis(
        self,
        message: str,
        *,
        hint: str | None = None,
        blames: tuple[str, ...] | None = None,
        status: Status | None = None,
    ) -> Diagnosis:
        """This cause, with what was observed."""
        return Diagnosis(
            cause=self,
            message=message,
            hint=self.hint if hint is None else hint,
            blames=self.blames if blames is None else blames,
            status=self.status if status is None else status,
        )


def causes_in(module: Mapping[str, object]) -> tuple[Cause, ...]:
    """Every cause among a module's globals, in the order of their definition.

    A cause of another module counts too: a module that needs one imports the other module, not the cause.
    """
    return tuple(value for value in module.values() if isinstance(value, Cause))


@dataclass(frozen=True)
class Diagnosis:
    """A cause met for real: what was observed, what to change, which fields of the check are at fault."""

    cause: Cause
    message: str
    hint: str
    blames: tuple[str, ...] | None
    status: Status


@dataclass(frozen=True)
class Finding:
    """One line of a check's report. ``fields`` are the check's fields that it blames or proves.

    Its words may be a server's: they are inert from here on, whoever prints, masks or compares them.
    """

    id: str
    layer: Layer
    status: Status
    message: str
    hint: str = ""
    fields: tuple[str, ...] = ()
    seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", told(self.message, _LONGEST_MESSAGE))
        object.__setattr__(self, "hint", told(self.hint, _LONGEST_HINT))


@dataclass(frozen=True)
class Settings:
    """What a run tells every check: whom to trust, how long it may take (seconds), whether it may write."""

    trust: Trust
    timeout: float = 10.0
    read_only: bool = False


class CheckTimeout(Exception):
    """The check's limit, in seconds, ended the climb on the rung that was open."""

    def __init__(self, layer: Layer, limit: float) -> None:
        super().__init__(f"no answer within {limit:.3g} s")
        self.layer = layer
        self.limit = limit


class Diagnosed(Exception):
    """A diagnosis made where the fault was met; ``diagnose`` hands it on."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis


class StopCheck(Exception):
    """A rung could not be climbed, and that was recorded; the rungs above it are not tried."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A proof that one resource works. The fields are its target; two checks that are equal are probed once.

    ``name`` and ``sources`` (field → configuration keys) say for whom it is made and do not take part in equality.
    """

    kind: ClassVar[str]
    prefix: ClassVar[str]  # the first part of its finding ids; the kind, where it is not said
    causes: ClassVar[tuple[Cause, ...]] = ()
    imports: ClassVar[tuple[str, ...]] = ()  # modules that the runner loads before any clock starts
    # Whose errors mean an unexpected reply: the driver's packages, and our modules that read replies, not those that
    # judge them.
    reply_readers: ClassVar[tuple[str, ...]] = ()
    name: str = field(compare=False)
    sources: Mapping[str, tuple[str, ...]] = field(compare=False, repr=False)

    @property
    def target(self) -> str:
        """What is probed, in words that hold no secret."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rungs that this check climbs, lowest first."""
        raise NotImplementedError

    async def run(self, record: Recorder) -> None:
        """Climb: one ``with record.layer(...)`` for each rung."""
        raise NotImplementedError

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """The cause of an expected failure; None when the error is a bug in the check."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__ and "prefix" not in cls.__dict__:
            cls.prefix = cls.kind.replace("_", "-")
