"""Run the one check that some configuration values make, as the runner does, and look up its findings."""

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from checks.core import unexpected
from checks.core.check import Check
from checks.core.finding import Finding, Layer, Status, StopCheck
from checks.core.loop import waits
from checks.core.loop.threads import Loop
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from preflight.config.loader import Config
from preflight.config.origin import InFile
from preflight.config.schema.keys import BY_PATH, KEYS
from preflight.config.schema.types import Integer
from preflight.config.values import Values
from preflight.plan.plan import plan
from preflight.report.attribution import attribute

FILE = "mistle.toml"
DEFAULTS = {key.path: key.default for key in KEYS if key.default is not None}


@dataclass(frozen=True)
class CheckRun:
    """The findings and facts of one run of one check; the findings' fields are configuration keys."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, object]

    def __getitem__(self, finding_id: str) -> Finding:
        """The one finding with this id; if there is none, the message of the error has the others."""
        matching = [finding for finding in self.findings if finding.id == finding_id]
        assert len(matching) == 1, self
        return matching[0]

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))

    @property
    def status(self) -> Status:
        return max(finding.status for finding in self.findings)

    def fails(self, finding_id: str, layer: Layer, *keys: str, hint: str) -> Finding:
        """Assert that this finding alone failed, at this layer, blames these keys, and has `hint` in its hint."""
        failed = [finding.id for finding in self.findings if finding.status is Status.FAIL]
        assert failed == [finding_id], self
        return self._agrees(finding_id, layer, keys, hint)

    def warns(self, finding_id: str, layer: Layer, *keys: str, hint: str) -> Finding:
        """Assert that this finding is a warning, and that no finding failed."""
        assert self.status is self[finding_id].status is Status.WARN, self
        return self._agrees(finding_id, layer, keys, hint)

    def passes(self, finding_id: str, layer: Layer, *keys: str) -> Finding:
        """Assert that all findings are OK, and that this is one of them."""
        assert self.status is Status.OK, self
        return self._agrees(finding_id, layer, keys, "")

    def _agrees(self, finding_id: str, layer: Layer, keys: tuple[str, ...], hint: str) -> Finding:
        finding = self[finding_id]
        assert finding.layer is layer
        assert finding.fields == keys
        assert finding.message
        assert hint in finding.hint
        assert "{" not in finding.hint
        return finding


def planned(name: str, values: Mapping[str, object], stage: str = "live") -> Check:
    """The check of this name that these configuration values and the defaults make."""
    config = Config(
        values=Values(DEFAULTS | {path: _typed(path, value) for path, value in values.items()}),
        origins={key: InFile(FILE, number) for number, key in enumerate(values, 1)},
        findings=(),
        broken=frozenset(),
        keys={},
        secrets=(),
    )
    return next(check for check in plan(config, stage=stage).checks if check.name == name)


def _typed(path: str, value: object) -> object:
    """The value, as a number if its key has a number."""
    type_ = BY_PATH[path].type if path in BY_PATH else None
    return type_.accept(type_.parse(value)) if isinstance(type_, Integer) and isinstance(value, str) else value


def run_check(
    name: str,
    values: Mapping[str, object],
    *,
    stage: str = "live",
    timeout: float = 20.0,
    read_only: bool = False,
    extra: Path | None = None,
) -> CheckRun:
    """Run the check of this name once, within `timeout` seconds."""
    check = planned(name, values, stage)
    for module in check.imports:  # before its clock starts
        importlib.import_module(module)
    settings = Settings(_loaded(extra), timeout, read_only)
    with asyncio.Runner(loop_factory=Loop) as runner:
        record = runner.run(_run(check, settings))
    origins = dict.fromkeys(values, InFile(FILE))
    return CheckRun(attribute(check, (check,), record.finish(), origins), record.facts)


@lru_cache(32)
def _loaded(extra: Path | None) -> Trust:
    """The certificates, loaded before the clock starts, as in a run."""
    trust = Trust(extra)
    trust.load(60.0)
    return trust


async def _run(check: Check, settings: Settings) -> Recorder:
    record = Recorder(check, settings)
    waits.note_in(record.waits)
    try:
        async with asyncio.timeout(record.settings.timeout):
            await check.run(record)
    except StopCheck:
        pass
    except TimeoutError:
        record.out_of_time()
    except Exception as error:
        if not (diagnosis := unexpected.diagnose(check, error)):
            raise
        record.note(diagnosis)
    return record
