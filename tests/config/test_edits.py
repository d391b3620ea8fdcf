"""Edits of the configuration: each is applied as it is printed, and its finding is gone."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from checks.core.finding import Finding, Status
from preflight.config.loader import load
from tests.harness import remedies
from tests.harness.configs import Raw, environment, write

API, AUTH = "services.control_plane_api", "services.control_plane_api.auth"
TRUSTED, DASHBOARD = f"{AUTH}.trusted_origins", "services.dashboard.public_url"
APP = "https://app.mistle.example"
ACTIVE = f"{API}.integrations.active_master_encryption_key_version"

EDITS: dict[str, tuple[Mapping[str, object], str, str]] = {
    "a boolean in quotes": ({"email.smtp.secure": "False"}, "config.wrong-type", "secure = false"),
    "a number in quotes": ({"email.smtp.port": "587"}, "config.wrong-type", "port = 587"),
    "a choice in capitals": ({"global.env": "Development"}, "config.not-allowed", 'env = "development"'),
    "a list as a text": ({TRUSTED: APP}, "config.wrong-type", f'trusted_origins = ["{APP}"]'),
    "another scheme": (
        {"services.data_plane_gateway.sandbox_ws_public_url": "https://gw.example"},
        "config.wrong-scheme",
        'sandbox_ws_public_url = "wss://gw.example"',
    ),
    "a slash at the end of an origin": (
        {TRUSTED: [f"{APP}/", "https://b.example"]},
        "config.origin-never-matches",
        f'trusted_origins = ["{APP}", "https://b.example"]',
    ),
    "an origin that is missing": (
        {TRUSTED: ["https://b.example"]},
        "config.origin-not-trusted",
        f'trusted_origins = ["https://b.example", "{APP}"]',
    ),
    "a path after an origin": (
        {"services.dashboard.control_plane_api_origin": "https://api.mistle.example/api"},
        "config.origin-mismatch",
        "control_plane_api_origin = ",
    ),
    "the only master key": ({ACTIVE: 7}, "config.active-key-missing", " = 1"),
    "faults in production": (
        {"sandbox.sandboxd_test_faults_enabled": True, "global.env": "production"},
        "config.test-faults",
        "sandboxd_test_faults_enabled = false",
    ),
}


def problems(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings if finding.status >= Status.WARN]


def only(findings: tuple[Finding, ...], id_: str) -> Finding:
    (found,) = (finding for finding in findings if finding.id == id_)
    return found


@pytest.mark.parametrize("case", EDITS)
def test_edit_of_a_line(tmp_path: Path, case: str) -> None:
    changes, id_, line = EDITS[case]
    file = write(tmp_path, changes)
    before = load(file, {}).findings
    remedy = remedies.printed(only(before, id_), "edit")
    assert line in remedy.command
    remedies.edit(remedy, file)
    after = problems(load(file, {}).findings)
    assert id_ not in after
    assert not set(after) - set(problems(before))


def test_edit_of_a_variable(tmp_path: Path) -> None:
    file, variables = write(tmp_path), {"MISTLE_EMAIL_SMTP_SECURE": "TRUE", "MISTLE_EMAIL_SMTP_FROM_NAME": ""}
    finding = next(each for each in load(file, variables).findings if each.fields == ("email.smtp.secure",))
    assert finding.id == "config.bad-override"
    assert vars(remedies.printed(finding, "edit")) == {
        "tool": "edit",
        "where": "environment",
        "command": "MISTLE_EMAIL_SMTP_SECURE=true",
    }


def test_edit_of_a_list_in_a_variable() -> None:
    name = "MISTLE_SERVICES_CONTROL_PLANE_API_AUTH_TRUSTED_ORIGINS"
    config = load(None, environment() | {name: "http://localhost:3000/"})
    assert remedies.printed(only(config.findings, "config.origin-never-matches"), "edit").command == (
        f"{name}=http://localhost:3000"
    )


def test_key_that_is_misspelt(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(file.read_text().replace("from_address =", "form_address ="))
    finding = only(load(file, {}).findings, "config.unknown-key")
    remedies.run_in_shell(remedies.printed(finding, "shell"), tmp_path)
    assert load(file, {}).findings == ()


NO_EDIT: dict[str, Mapping[str, object]] = {
    "a secret of another type": {"email.smtp.password": 12345678901234567},
    "a URL with a password": {"kv.data_plane.url": "valkey://:correct-horse@kv:6379"},
    "a key beside the right one": {"email.smtp.form_address": "a@b.example"},
    "a list over several lines": {TRUSTED: Raw('[\n"http://localhost:3000/"\n]')},
    "control characters": {TRUSTED: ["http://localhost:3000/", "http://a\u202e.example/"]},
}


@pytest.mark.parametrize("case", NO_EDIT)
def test_no_remedy_where_none_is_right(tmp_path: Path, case: str) -> None:
    findings = load(write(tmp_path, NO_EDIT[case]), {}).findings
    assert problems(findings)
    assert not [remedy for finding in findings for remedy in finding.remedies if "=" in remedy.command], findings


def test_hostile_value_stays_on_its_line(tmp_path: Path) -> None:
    hostile = 'http://a.example/"; touch owned; $(touch owned) `touch owned`'
    findings = load(write(tmp_path, {TRUSTED: [hostile]}), {}).findings
    for remedy in (remedy for finding in findings for remedy in finding.remedies):
        assert "\n" not in remedy.command
