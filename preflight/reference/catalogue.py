"""The catalogue: every id of a finding that is not ok, and what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import checks
from checks.core import unexpected
from checks.core.check import Check
from checks.core.finding import Cause, Layer, Status
from checks.core.remedy import Remedies, Remedy
from checks.net import network_errors, proxies, tcp, tls_errors
from preflight.config import causes
from preflight.report import run_causes
from preflight.report.incidents import causes as incidents

_SHARED = (*network_errors.CAUSES, *tls_errors.CAUSES)


@dataclass(frozen=True)
class Entry:
    """A cause, and the kinds of checks that can report it; none for a cause that the run itself reports."""

    cause: Cause
    kinds: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """The layer of the finding, as Markdown."""
        is_on_any = self.cause.id in run_causes.ON_OPEN_LAYER or self.cause.id.endswith(f".{unexpected.NAME}")
        return "the one that was running" if is_on_any else f"`{self.cause.layer}`"

    @property
    def blames(self) -> str:
        """The keys that the finding blames, as a text."""
        if self.cause.blames is None:
            is_config = self.layer == f"`{Layer.CONFIG}`"
            return "the key that is wrong" if is_config else "the keys that the layer would have proven"
        return " and ".join(f"the key of {name}" for name in self.cause.blames) or "no key"

    @property
    def with_wait(self) -> str:
        """What a run with --wait does when a check reports it; "" if the finding is no problem."""
        if self.cause.status < Status.WARN:
            return ""
        return "tries the check again" if self.cause.heals else "ends the wait"

    @property
    def hint(self) -> str:
        """The remedy, with a general text where a report names the origin of a key."""
        return re.sub(r"\{(\w+)\}", lambda brace: _GENERAL.get(brace[1], f"the key of {brace[1]}"), self.cause.hint)

    @property
    def remedies(self) -> Remedies:
        """The remedies of its findings, or their form, with ``…`` in place of each name."""
        return tuple(_shown(remedy) for remedy in self.cause.remedies)

    @property
    def link(self) -> str:
        """The file and the heading of its documentation."""
        return f"docs/findings.md#{anchor(self.cause.id)}"

    @property
    def example(self) -> str:
        """The message of one real run, with the ports and addresses of that run; empty if there is none."""
        return _examples().get(self.cause.id, "")


@dataclass(frozen=True)
class Explanation:
    """What ``explain`` prints: one entry, or several if they are ``listed``."""

    entries: tuple[Entry, ...]
    listed: bool = False
    exit_code: int = 0


@cache
def _examples() -> Mapping[str, str]:
    file = files("preflight.reference").joinpath("examples.json")
    examples: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return examples


def anchor(id_: str) -> str:
    """The anchor of an id's heading, as GitHub makes it."""
    return id_.replace(".", "")


def _shown(remedy: Remedy) -> Remedy:
    """An edit, as a report shows one."""
    if remedy.tool != "edit" or not remedy.where.startswith("{"):
        return remedy
    name = remedy.where.strip("{}")
    return Remedy("edit", "mistle.toml:…", f"{name} = {remedy.command}")


_GENERAL = {"blamed": "the blamed key"}  # what replaces a field of a hint


@cache
def entries() -> Mapping[str, Entry]:
    """The entries by id: those of the configuration and the run, then those of each kind."""
    without_kind = (*causes.CAUSES, *run_causes.CAUSES, *incidents.CAUSES)
    by_id: dict[str, Entry] = {cause.id: Entry(cause) for cause in without_kind}
    for kind in checks.load_all():
        for cause in causes_of(kind):
            by_id[cause.id] = Entry(cause, (*by_id.get(cause.id, Entry(cause)).kinds, kind.kind))
    return by_id


def names() -> Mapping[str, Entry]:
    """The entry of each id, and of each former id that is none any more."""
    return {former: entry for entry in entries().values() for former in entry.cause.former} | dict(entries())


def covered(ids: Iterable[str]) -> frozenset[str]:
    """These ids, and those that were reported as one of them in earlier versions."""
    covered, size = {*ids}, -1
    while size < len(covered):
        size = len(covered)
        covered |= {id_ for id_, entry in entries().items() if covered.intersection(entry.cause.former)}
    return frozenset(covered)


def causes_of(kind: type[Check]) -> tuple[Cause, ...]:
    """The causes that checks of a kind can report; for a check of the network, also the shared ones."""
    if not issubclass(kind, tcp.NetworkCheck):
        return kind.causes
    return (*_SHARED, *(proxies.CAUSES if kind.over_http else ()), *kind.causes)


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
