"""Edits of the mail server's keys: each is applied as it is printed, and its finding is gone."""

from pathlib import Path

import pytest

from checks.core.finding import Finding, Status
from preflight import check as preflight_check
from tests.harness import profiles
from tests.harness.configs import write
from tests.harness.remedies import edit, has_form, printed
from tests.testbed import Smtp

SWAPPED = {"smtp.tls-from-first-byte": ("submissions", False), "smtp.plaintext": ("submission", True)}


def problems(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.id for finding in findings if finding.status is Status.FAIL}


@profiles.long
@pytest.mark.parametrize("id_", SWAPPED)
def test_secure_on_the_other_port(smtp: Smtp, trusted: Path, tmp_path: Path, id_: str) -> None:
    role, secure = SWAPPED[id_]
    values = {"host": "localhost", "port": smtp.ports[role], "secure": secure}
    file = write(tmp_path, {f"email.smtp.{name}": value for name, value in values.items()})

    def run() -> tuple[Finding, ...]:
        return preflight_check(file, environ={}, only=["email.smtp"], ca_file=trusted).findings

    before = run()
    assert problems(before) == {id_}
    (finding,) = (each for each in before if each.id == id_)
    remedy = printed(finding, "edit")
    assert has_form(remedy, id_)
    edit(remedy, file)
    assert id_ not in problems(run())
