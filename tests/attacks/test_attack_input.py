"""Hostile configurations.

Valid configurations are changed in random places: other types, depths and lengths, names that are nearly right, moved
parts, texts that are nearly URLs, doubled or cut lines; variables hold any bytes. Each is the input of `config`, `plan`
or a run in which no server replies. In each case the command ends with 0, 1 or 2, a finding names its key and line or
variable, the document follows its schema, and no secret is in it.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import checks
from checks.core.check import Check
from preflight.cli.options import STAGES
from preflight.config.loader import ConfigError, load
from preflight.plan.plan import plan
from preflight.report.attribution import keys_of
from preflight.services import SERVICES
from tests.fuzz.call import call
from tests.fuzz.changes import BASES, changes, documents, likely_changes, texts
from tests.fuzz.contract import hold, hold_streams
from tests.fuzz.environments import environments
from tests.fuzz.loopback import configurations
from tests.fuzz.secrets import hidden, public
from tests.fuzz.tally import Tally, many
from tests.fuzz.written import toml
from tests.harness.figures import Section
from tests.harness.networks import can_have_own_network, in_own_network

FORMATS = st.sampled_from([("-f", "json"), ("-f", "json"), ("-v",), ("-q",)])
COMMANDS = st.sampled_from(["config", "config", "plan"])
KINDS = {"likely": likely_changes(), "any": changes()}
ANYWHERE = [(stage, service) for stage in STAGES for service in (None, *SERVICES)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("input") / "mistle.toml"


def test_changed_configurations(file: Path, figures: Section):
    tally = Tally()

    @many(2)
    @given(documents(), COMMANDS, FORMATS)
    def holds(text: str, command: str, format_: tuple[str, ...]) -> None:
        file.write_bytes(text.encode())
        ended = tally.note(call(command, "--config", str(file), *format_))
        (hold if "json" in format_ else hold_streams)(ended, hidden(text))

    holds()
    tally.write(figures, "changed configurations")


def test_changed_environments(file: Path, figures: Section):
    tally = Tally()

    @many(1.5)
    @given(environments(), st.none() | documents(2), COMMANDS, FORMATS)
    def holds(environ: dict[bytes, bytes], text: str | None, command: str, format_: tuple[str, ...]) -> None:
        file.write_bytes((text or "").encode())
        named = ("--config", str(file)) if text is not None else ()
        ended = tally.note(call(command, *named, *format_, environ=environ))
        (hold if "json" in format_ else hold_streams)(ended, hidden(text or "", environ))

    holds()
    tally.write(figures, "changed environments, with and without a file")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_accepted_is_planned(file: Path, figures: Section, name: str):
    accepted: Counter[str] = Counter()

    @many(0.5)
    @given(texts(KINDS[name], 20))
    def holds(text: str) -> None:
        accepted["tried"] += 1
        file.write_bytes(text.encode())
        try:
            config = load(file, {})
        except ConfigError:
            return
        secrets = hidden(text) - public(text)
        for stage, service in ANYWHERE:
            for check in plan(config, stage=stage, service=service).checks:
                accepted[check.kind] += 1
                assert_reportable(check, secrets)

    for base in BASES:
        holds = example(toml(base))(holds)
    holds()
    assert set(checks.ALL) <= accepted.keys()
    figures.cell(f"{name} changes, planned for each stage and service", "inputs", f"{accepted['tried']:,}")


def assert_reportable(check: Check, secrets: set[str]) -> None:
    """Assert that a check can be compared and shown, blames keys, and shows no secret."""
    assert check in {check}
    assert check.layers
    assert keys_of(check)
    assert [secret for secret in secrets if secret in check.target + repr(check)] == []


@pytest.mark.skipif(not can_have_own_network(), reason="a network of its own needs root on Linux")
def test_changed_configurations_are_run_without_servers(file: Path, figures: Section):
    tally = Tally()

    @many(0.25)
    @given(configurations())
    @example(f"{toml(BASES[0])}\n[{'.'.join(['a'] * 200)}]\n")
    def holds(text: str) -> None:
        file.write_bytes(text.encode())
        ended = tally.note(call("run", "--config", str(file), "-f", "json", "--timeout", "2"))
        findings = hold(ended, hidden(text))["checks"][0]["findings"]
        assert ended.code == (2 if "config.unreadable" in {finding["id"] for finding in findings} else 1)

    in_own_network("192.0.2.1", holds)
    tally.write(figures, "runs in which no server replies")
