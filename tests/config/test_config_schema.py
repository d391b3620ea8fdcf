"""The JSON Schema of the file, beside what `mistle-preflight config` says of the same file."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from preflight.config.loader import load
from preflight.config.schema.conditions import ALWAYS
from preflight.config.schema.keys import KEYS, VERSION, key_of
from preflight.config.schema.tables import ABOUT
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text
from preflight.reference import config_schema
from preflight.reference.config_schema import document
from tests.harness import configs, profiles
from tests.harness.configs import Raw
from tests.harness.processes import EXAMPLE, ROOT, preflight

SCHEMA = Draft7Validator(document())
CONCERNED = {
    "config.missing",
    "config.wrong-type",
    "config.out-of-range",
    "config.not-allowed",
    "config.blank",
    "config.unknown-key",
}
"""Findings of what a schema can say: types, limits, names."""


def by_schema(file: Path) -> set[str]:
    """The paths of the values that the schema refuses."""
    errors = SCHEMA.iter_errors(tomllib.loads(file.read_text()))
    return {".".join(map(str, [part for part in error.absolute_path if isinstance(part, str)])) for error in errors}


def by_config(file: Path) -> set[str]:
    """The keys that the configuration's own rules refuse, for a reason that a schema can have."""
    findings = load(file, {}).findings
    return {key for finding in findings if finding.id in CONCERNED for key in finding.fields}


def test_schema_is_valid():
    Draft7Validator.check_schema(document())


def test_example_is_valid_and_names_the_schema():
    assert EXAMPLE.read_text().startswith("#:schema mistle.schema.json\n")
    assert list(SCHEMA.iter_errors(tomllib.loads(EXAMPLE.read_text()))) == []
    schema = json.loads((EXAMPLE.parent / "mistle.schema.json").read_text())
    assert schema == document(), "run python -m preflight.reference.generate"


def uncommented() -> str:
    lines = EXAMPLE.read_text().splitlines()
    settings = (line.removeprefix("# ") for line in lines)
    return "\n".join(line for line in settings if line.startswith("[") or " = " in line.partition("#")[0])


def test_example_is_valid_with_all_its_comments_too():
    assert list(SCHEMA.iter_errors(tomllib.loads(uncommented()))) == []


def node(path: str) -> dict[str, Any]:
    found = SCHEMA.schema
    for name in path.split("."):
        found = found["patternProperties"]["^[1-9][0-9]*$"] if name == VERSION else found["properties"][name]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_key_has_description_type_and_default(key):
    found = node(key.path)
    assert found["description"].startswith(key.about)
    assert found["description"].endswith(f"Variable: {key.variable}")
    assert found["type"] in {"string", "integer", "boolean", "array"}
    assert found.get("default") == key.default
    if key.required.text not in {"always", "never"}:
        assert f"Required {key.required.text}." in found["description"]


def test_every_description_is_one_sentence_and_of_a_table_that_exists():
    sections = {key.section for key in KEYS}
    tables = {".".join(path.split(".")[: depth + 1]) for path in sections for depth in range(path.count(".") + 1)}
    assert ABOUT.keys() <= tables
    assert all(text.endswith(".") for text in (*(key.about for key in KEYS), *ABOUT.values()))


def test_required_keys_are_those_that_are_always_required():
    paths = set()
    for key in KEYS:
        parent = node(key.section)
        if key.path.rpartition(".")[2] in parent["required"] or (VERSION in key.path and parent["minProperties"]):
            paths.add(key.path)
    assert paths == {key.path for key in KEYS if key.required is ALWAYS}


OTHER_TYPES = ("text", True, 7, 7.5, [7], Raw("{}"))
LIMITS = ("", "  ", 0, -1, 1, 3, 4, 12, 13, 29, 30, 65535, 65536, 5100.0, 2**53 - 1, 2**53)
LISTS = ([], ["otp"], ["google"], [""])


def tried(path: str, value: object, folder: Path) -> tuple[bool, bool]:
    """Whether the schema and the configuration refuse this value of this key."""
    written = path.replace(VERSION, "1")
    file = configs.write(folder, {written: value})
    refused = [{each for each in found(file) if each == written or each.startswith(f"{written}.")} for found in BOTH]
    return bool(refused[0]), bool(refused[1])


BOTH = (by_schema, by_config)
READ = [key.path for key in KEYS if key.path in configs.VALID or VERSION in key.path]
EACH_TYPE = {type(key.type): key.path for key in KEYS if key.path in READ}
"""One key of each type."""


def same(path: str, value: object, folder: Path) -> None:
    schema, config = tried(path, value, folder)
    assert schema == config, (path, value)


@pytest.mark.parametrize("value", [*OTHER_TYPES, *LIMITS, *LISTS], ids=repr)
@pytest.mark.parametrize("path", EACH_TYPE.values())
def test_schema_and_configuration_agree_on_types_and_limits(path: str, value: object, tmp_path: Path):
    same(path, value, tmp_path)


def around(key_type: object) -> list[object]:
    """Values at the limits of a type and beside them."""
    match key_type:
        case Integer(minimum=low, maximum=high):
            return [low - 1, low, high, high + 1, str(low), True]
        case Choice(allowed=allowed):
            return [*allowed, allowed[0].upper(), "other", "", 1]
        case Boolean():
            return [True, False, "true", 1]
        case ListOf():
            return [[], ["otp"], "otp", [1]]
        case Text():
            return ["", " \t", 1, True, ["x"]]
    raise AssertionError(key_type)


@pytest.mark.parametrize("path", profiles.first(12, READ))
def test_schema_and_configuration_agree_at_the_limits_of_every_key(path: str, tmp_path: Path):
    for value in around(key_of(path).type):
        same(path, value, tmp_path)


@pytest.mark.parametrize("path", ["email.smtp.prot", "emial.smtp.port", "global.x", "sandbox.docker.socket_paht"])
def test_unknown_keys_are_refused_by_both(path: str, tmp_path: Path):
    file = configs.write(tmp_path, {path: 1})
    assert by_config(file)
    assert list(SCHEMA.iter_errors(tomllib.loads(file.read_text())))


@pytest.mark.parametrize("path", ["email.smtp.port", "global.env", "email.smtp"])
def test_missing_keys_are_refused_by_both(path: str, tmp_path: Path):
    removed = {key.path: None for key in KEYS if f"{key.path}.".startswith(f"{path}.")}
    file = configs.write(tmp_path, removed)
    assert by_config(file) >= set(removed)
    assert list(SCHEMA.iter_errors(tomllib.loads(file.read_text())))


EDITORS = {"taplo": ["lint"], "tombi": ["lint", "--offline"]}


@pytest.mark.parametrize("editor", EDITORS)
def test_editors_find_the_schema_offline(editor: str, tmp_path: Path):
    (tmp_path / "mistle.schema.json").write_text(preflight("schema").stdout)
    text = EXAMPLE.read_text()
    (tmp_path / "right.toml").write_text(text)
    (tmp_path / "wrong.toml").write_text(text.replace("\nport = 5100\n", "\nport = 510000\n"))
    program = [str(Path(sys.executable).with_name(editor)), *EDITORS[editor]]
    right, wrong = (
        subprocess.run([*program, name], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        for name in ("right.toml", "wrong.toml")
    )
    assert right.returncode == 0, right.stderr
    assert wrong.returncode == 1
    assert "65535" in wrong.stdout + wrong.stderr


def test_command_prints_both_schemas():
    assert json.loads(preflight("schema").stdout) == document()
    assert preflight("schema", "config").stdout == preflight("schema", "-f", "json").stdout == config_schema.text()
    assert preflight("schema", "report").stdout == (ROOT / "preflight/report.schema.json").read_text()
