"""Suggestions for an unknown name: a similar one, or the Mistle release that has it."""

from __future__ import annotations

from collections.abc import Iterable

from checks.core.text import foreign
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.tree import Path, dotted

_STALE = {
    "MISTLE_APPS_": "of an older Mistle; the names begin with MISTLE_SERVICES_ now",
    "MISTLE_GLOBAL_": "of an older Mistle; the names have no GLOBAL_ now",
    "MISTLE_SERVICES_TOKENIZER_PROXY_": "of an older Mistle, which had a tokenizer proxy",
    "MISTLE_SANDBOX_TOKENS_EGRESS_": "of another Mistle, which had egress tokens",
}
_NO_OVERRIDES = frozenset(  # read by Mistle's launchers, not by its configuration
    f"MISTLE_{name}"
    for name in (
        "CONFIG_PATH",
        "GENERATED_CONFIG_PATH",
        "PROFILE",
        "INTEGRATION_TARGETS_MANIFEST_PATH",
        "SANDBOX_E2B_TEMPLATE_LOCK_DIR",
        "COMPOSE_PROJECT_NAME",
        "DOCKER_IMAGE",
        "SANDBOX_NETWORK_NAME",
        "LOCAL_ENV_FILE",
    )
)
_NEAR = 0.88  # of 1: matches a typing error or a missing part of a long name, not another name with the same beginning


def unknown(path: Path, siblings: tuple[str, ...]) -> str:
    """The message for a key that the schema does not have; ``siblings`` are the names that its table may hold."""
    if VERSION in siblings:
        return 'is unknown to Mistle: a version is a whole number from 1, like "1"'
    near = sibling(path, siblings)
    similar = dotted((*path[:-1], near)) if near else _closest(dotted(path), _paths_beside(path), 0.75)
    return f"is unknown to Mistle, did you mean {similar}?" if similar else "is unknown to Mistle"


def sibling(path: Path, siblings: tuple[str, ...]) -> str | None:
    """The similar name of the same table; None if there is none."""
    return None if VERSION in siblings else _closest(path[-1], siblings, 0.6)


def override(variable: str) -> str | None:
    """The message for a variable that is no override; None if it looks like none."""
    if variable in _NO_OVERRIDES:
        return None
    stale = next((text for prefix, text in _STALE.items() if variable.startswith(prefix)), None)
    similar = _closest(variable, tuple(key.variable for key in KEYS), 0.7 if stale else _NEAR)
    if not stale and not similar:
        return None
    question = f", did you mean {similar}?" if similar else ""
    return f"Mistle ignores {foreign(variable, 120)}{f': a name {stale}' if stale else ''}{question}"


def did_you_mean(name: str, names: Iterable[str], all_of: str = "") -> str:
    """``; did you mean NAME?`` for a similar name, else ``; ALL_OF: NAME, NAME``, or nothing if ``all_of`` is empty."""
    known = tuple(names)
    if similar := _closest(name, known, 0.6):
        return f"; did you mean {similar}?"
    return f"; {all_of}: {', '.join(known)}" if all_of else ""


def _paths_beside(path: Path) -> tuple[str, ...]:
    """The paths of keys and sections, without those that hold this path: they are right already."""
    above = {dotted(path[:depth]) for depth in range(1, len(path))}
    return tuple(dict.fromkeys(name for key in KEYS for name in (key.path, key.section) if name not in above))


def _closest(name: str, names: tuple[str, ...], likeness: float) -> str | None:
    from difflib import get_close_matches  # not at the top: its import is slow, and seldom needed

    return next(iter(get_close_matches(name[:200], names, 1, likeness)), None)
