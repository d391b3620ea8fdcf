"""Hints name each key with its origin, so that the operator knows what to edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from checks.core.text import marked

if TYPE_CHECKING:
    from preflight.config.origin import Origin

_LISTED = 4  # keys in a hint: a finding that blames more lists them
_FIELD = re.compile(r"\{(\w+)\}")


def with_origin(key: str, origins: Mapping[str, Origin]) -> str:
    """``email.smtp.port (mistle.toml:42)``; the key alone if it is not set."""
    return f"{key} ({origins[key]})" if key in origins else key


def filled(hint: str, keys: Mapping[str, Iterable[str]], describe: Callable[[str], str]) -> str:
    """The hint with the keys of each ``{field}`` in its place. ``describe`` returns a key with its origin.

    Text from a server is left as it is, whatever braces it holds.
    """

    def described(field: re.Match[str]) -> str:
        return _enumerated(map(describe, keys[field[1]])) if field[1] in keys else field[0]

    return marked(hint, len(hint)).map_own(lambda own: _FIELD.sub(described, own))


def _enumerated(texts: Iterable[str]) -> str:
    *others, last = [*texts] or [""]
    if len(others) >= _LISTED:
        return f"{', '.join(others[: _LISTED - 1])} and {len(others) - _LISTED + 2} more"
    return f"{', '.join(others)} and {last}" if others else last
