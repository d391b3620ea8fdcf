"""The schema against Mistle's documentation of its keys, row by row."""

import pytest

from preflight.config.schema.conditions import ALWAYS, OPTIONAL
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import BY_PATH, KEYS, VERSION, key_of
from preflight.config.schema.tables import in_use
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Versioned
from tests.harness.documented_keys import OF_KINDS, ROWS, Documented


def type_text(key_type: object) -> str:
    """The documentation's text for a type."""
    match key_type:
        case Versioned():
            return "versioned"
        case Text(schemes=()):
            return "str"
        case Text(schemes=(scheme, *_)):
            return f"{scheme}://"
        case Choice(allowed=allowed):
            return " or ".join(allowed)
        case Integer(minimum=minimum, maximum=maximum):
            return f"int {minimum}-{maximum if maximum < 2**53 - 1 else ''}"
        case Boolean():
            return "bool"
        case ListOf(item=item):
            return f"list of {type_text(item)}"
    raise AssertionError(key_type)


def test_schema_has_the_documented_keys_in_order():
    undocumented = [key.path for key in KEYS if key.path not in {row.path for row in (*ROWS, *OF_KINDS)}]
    assert not undocumented, (
        "add a row of Mistle's documentation to DOCUMENTED in tests/harness/documented_keys.py, "
        "or to documented_keys of the DESCRIPTOR of the kind that these keys came with"
    )
    of_kinds = {row.path for row in OF_KINDS}
    assert [key.path for key in KEYS if key.path not in of_kinds] == [row.path for row in ROWS]
    assert len(KEYS) == len(ROWS) + len(OF_KINDS)


@pytest.mark.parametrize("row", [*ROWS, *OF_KINDS], ids=lambda row: row.path)
def test_key_is_as_documented(row: Documented):
    assert row.path in BY_PATH, f"add a row of {row.path} to KEYS in preflight/config/schema/keys.py"
    key = BY_PATH[row.path]
    assert type_text(key.type) == row.type
    assert {ALWAYS: "yes", OPTIONAL: "no"}.get(key.required, "maybe") == row.required
    assert key.secrecy == Secrecy(row.secrecy or "none")
    assert key.variable == row.variable
    assert str(key.default) == (row.default or "None")


def test_variables_are_unique():
    assert len({key.variable for key in KEYS}) == len(KEYS)


def test_one_row_serves_every_version():
    section = "services.control_plane_api.integrations.master_encryption_keys"
    assert key_of(f"{section}.17") is BY_PATH[f"{section}.{VERSION}"]
    assert key_of("global.env") is BY_PATH["global.env"]
    with pytest.raises(KeyError):
        key_of("global.nothing")


def test_in_use_follows_the_switches():
    tree = {"sandbox": {"provider": "docker"}, "telemetry": {"enabled": False}}
    assert in_use("sandbox.docker.socket_path", tree)
    assert in_use("postgres.control_plane.direct_url", tree)
    assert not in_use("sandbox.e2b.api_key", tree)
    assert not in_use("telemetry.traces.endpoint", tree)
