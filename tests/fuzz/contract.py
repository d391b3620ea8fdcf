"""Assertions for every run without a network: the exit code, the one line, the document, and no secret in them."""

import json
import re
from collections.abc import Collection
from typing import Any

from tests.fuzz.call import Ended
from tests.harness.command import SCHEMA

_POSITION = re.compile(r"\.toml(:[0-9]+)?\b|MISTLE_\w+|NODE_EXTRA_CA_CERTS")


def hold(ended: Ended, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Assert everything for a command with ``-f json``, and return the document."""
    document = hold_but_for_schema(ended, secrets)
    SCHEMA.validate(document)
    return document


def hold_but_for_schema(ended: Ended, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Assert what takes no longer than the command itself, and return the document."""
    hold_streams(ended, secrets)
    document: dict[str, Any] = json.loads(ended.stdout)
    assert document["ready"] == (ended.code == 0)
    findings = [finding for check in document["checks"] for finding in check["findings"]]
    _none([finding for finding in findings if finding["id"] == "internal.bug"])
    configured = document["checks"][0]["findings"]
    _none([finding for finding in configured if not _names_its_position(finding)])
    return document


def hold_streams(ended: Ended, secrets: Collection[str] = ()) -> None:
    """Assert what holds for any format."""
    assert ended.code in (0, 1, 2), ended
    if ended.code == 2:
        assert re.fullmatch(r"(mistle-preflight: [^\n]+\n)+", ended.stderr), ended.stderr
    else:
        assert not ended.stderr, ended.stderr
    shown = ended.stdout + ended.stderr
    _none([line for line in shown.split("\n") if not line.isprintable()])
    _none([secret for secret in secrets if secret in shown])


def _none(wrong: list[Any]) -> None:
    assert not wrong, wrong


def _names_its_position(finding: dict[str, Any]) -> bool:
    """Whether a finding names its key, and a line or a variable; without a configuration, any message is enough.

    If a secret holds the name of a variable and more, its mask covers the name.
    """
    if finding["status"] in ("ok", "skip") or finding["id"] in ("config.unreadable", "run.usage"):
        return bool(finding["message"])
    is_of_all = not finding["keys"] or finding["id"] == "config.other-shape"  # whose hint is not about one key
    text = finding["message"] + finding["hint"] if is_of_all else finding["hint"]
    return bool(_POSITION.search(text)) or "***" in text
