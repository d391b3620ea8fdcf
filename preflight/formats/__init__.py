"""One module for each format: ``render(report) -> str``, pure. Each is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from preflight.report import Report

Render = Callable[["Report"], str]


class _Formats(Mapping[str, Render]):
    """By name, in the order in which they are listed; the first is the default."""

    _NAMES = ("text", "json")

    def __getitem__(self, name: str) -> Render:
        if name not in self._NAMES:
            raise KeyError(name)
        return cast("Render", import_module(f"preflight.formats.{name}").render)

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)


FORMATS: Mapping[str, Render] = _Formats()
