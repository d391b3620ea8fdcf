"""What holds of every start without a network: the code, the one line, the document, and no secret in any of it."""

import json
import re
from collections.abc import Collection
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from tests.fuzz.call import Ended

SCHEMA = Draft202012Validator(json.loads(files("preflight").joinpath("report.schema.json").read_text()))
_PLACE = re.compile(r"\.toml(:[0-9]+)?\b|MISTLE_\w+|NODE_EXTRA_CA_CERTS")


def hold(ended: Ended, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Assert all of it of a command with ``-f json``; returns the document."""
    document = hold_but_for_schema(ended, secrets)
    SCHEMA.validate(document)
    return document


def hold_but_for_schema(ended: Ended, secrets: Collection[str] = ()) -> dict[str, Any]:
    """What takes no longer than the command itself."""
    hold_streams(ended, secrets)
    document: dict[str, Any] = json.loads(ended.stdout)
    assert document["ready"] == (ended.code == 0)
    findings = [finding for check in document["checks"] for finding in check["findings"]]
    _none([finding for finding in findings if finding["id"] == "internal.bug"])
    configured = document["checks"][0]["findings"]
    _none([finding for finding in configured if not _names_its_place(finding)])
    return document


def hold_streams(ended: Ended, secrets: Collection[str] = ()) -> None:
    """What can be said of any format."""
    assert ended.code in (0, 1, 2), ended
    if ended.code == 2:
        assert re.fullmatch(r"(mistle-preflight: [^\n]+\n)+", ended.stderr), ended.stderr
    else:
        assert not ended.stderr, ended.stderr
    shown = ended.stdout + ended.stderr
    _none([line for line in shown.split("\n") if not line.isprintable()])
    _none([secret for secret in secrets if secret in shown])


def _none(found: list[Any]) -> None:
    assert not found, found


def _names_its_place(finding: dict[str, Any]) -> bool:
    """A key, and a line or a variable; where nothing could be read, whatever the one line says.

    Where a secret holds the name of a variable and more, the mask of one covers the other.
    """
    if finding["status"] in ("ok", "skip") or finding["id"] in ("config.unreadable", "run.usage"):
        return bool(finding["message"])
    told = finding["hint"] if finding["keys"] else finding["message"] + finding["hint"]
    return bool(_PLACE.search(told)) or "***" in told
