"""Every id that a report can blame something with, and what it means."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import checks
from checks.core import unexpected
from checks.core.check import Cause, Check, Layer
from checks.net import network_errors, tcp, tls_errors
from preflight.config import causes
from preflight.report import run_causes

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARED = (*network_errors.CAUSES, *tls_errors.CAUSES)


@dataclass(frozen=True)
class Entry:
    """A cause, and the kinds of checks that can find it; none where it is found without a check."""

    cause: Cause
    kinds: tuple[str, ...] = ()

    @property
    def rung(self) -> str:
        """Where it is found, in words."""
        is_on_any = self.cause.id in run_causes.ON_OPEN_LAYER or self.cause.id.endswith(f".{unexpected.NAME}")
        return "the one that was open" if is_on_any else f"`{self.cause.layer}`"

    @property
    def blames(self) -> str:
        """Which keys, in words."""
        if self.cause.blames is None:
            return (
                "the key that is wrong" if self.rung == f"`{Layer.CONFIG}`" else "whatever the rung would have proven"
            )
        return " and ".join(f"the key of {name}" for name in self.cause.blames) or "no key"

    @property
    def hint(self) -> str:
        """The remedy, with words where a report names the place."""
        return re.sub(r"\{(\w+)\}", lambda brace: _PLACES.get(brace[1], f"the key of {brace[1]}"), self.cause.hint)

    @property
    def link(self) -> str:
        """Where the documentation has it."""
        return f"docs/findings.md#{anchor(self.cause.id)}"

    @property
    def example(self) -> str:
        """What was observed once, on a real server; ports and addresses are those of that run."""
        return _examples().get(self.cause.id, "")


@dataclass(frozen=True)
class Explanation:
    """What was asked for: one entry, or those that are ``listed``."""

    entries: tuple[Entry, ...]
    listed: bool = False
    exit_code: int = 0


@cache
def _examples() -> Mapping[str, str]:
    file = files("preflight.reference").joinpath("examples.json")
    found: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


def anchor(id_: str) -> str:
    """Its heading's, as Markdown sites make it."""
    return id_.replace(".", "")


_PLACES = {"blamed": "the blamed key"}


@cache
def entries() -> Mapping[str, Entry]:
    """Every id that a report can blame something with."""
    found: dict[str, Entry] = {cause.id: Entry(cause) for cause in (*causes.CAUSES, *run_causes.CAUSES)}
    for kind in checks.load_all():
        for cause in causes_of(kind):
            found[cause.id] = Entry(cause, (*found.get(cause.id, Entry(cause)).kinds, kind.kind))
    return found


def causes_of(kind: type[Check]) -> tuple[Cause, ...]:
    """What checks of a kind can find, with what every check of the network can."""
    return (*(_SHARED if issubclass(kind, tcp.NetworkCheck) else ()), *kind.causes)


def sentence(text: str) -> str:
    """Words as one."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
