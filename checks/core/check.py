"""The base of every check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from checks.core.finding import HOST, PORT, Cause, Diagnosis, Layer

if TYPE_CHECKING:
    from checks.core.recorder import Recorder


@dataclass(frozen=True, kw_only=True)
class Check:
    """A proof that one resource works. The fields are its target; of equal checks only one is run.

    ``name`` and ``sources`` (field → configuration keys) name who needs the check, and do not count for equality.
    """

    kind: ClassVar[str]
    prefix: ClassVar[str]  # the first part of its finding ids; the default is the kind
    causes: ClassVar[tuple[Cause, ...]] = ()
    imports: ClassVar[tuple[str, ...]] = ()  # modules that the runner imports before time limits start
    # An error raised in one of these means an unexpected reply: the driver's packages, and our modules that read
    # replies. Modules that judge replies are not among them: an error there is a bug.
    reply_readers: ClassVar[tuple[str, ...]] = ()
    name: str = field(compare=False)
    sources: Mapping[str, tuple[str, ...]] = field(compare=False, repr=False)

    @property
    def target(self) -> str:
        """What is probed, as text without secrets."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of this check, lowest first."""
        raise NotImplementedError

    @property
    def server_address(self) -> tuple[str, int] | None:
        """The host and port of its server; None if it has none."""
        return None

    @property
    def server_facts(self) -> dict[str, object]:
        """The facts that say where its server is: host and port; none without a server's address."""
        address = self.server_address
        return {HOST: address[0], PORT: address[1]} if address else {}

    @property
    def login(self) -> tuple[str, str] | None:
        """The user and the password that it logs in with, if several checks may share them."""
        return None

    async def run(self, record: Recorder) -> None:
        """Probe the resource: one ``with record.layer(...)`` for each layer."""
        raise NotImplementedError

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """The diagnosis of an expected failure; None if the error is a bug in the check."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__ and "prefix" not in cls.__dict__:
            cls.prefix = cls.kind.replace("_", "-")
