"""What each command does: from an invocation to the document that is printed.

A command imports what only it needs. To plan takes 100 ms of imports and to run 40 ms more: ``config`` and the tab key
do not wait for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.finding import Status
from preflight.cli.commands import serve_watch
from preflight.cli.inputs import ca_file, ids, saved_reports
from preflight.cli.invocation import Invocation
from preflight.cli.options import SCHEMAS, Options, UsageError
from preflight.cli.so_far import SoFar, report
from preflight.config.loader import Config, load
from preflight.report.model import Report, Reports
from preflight.report.result import Result

if TYPE_CHECKING:
    from checks.core.roots import Trust
    from preflight.demo.client import Demo
    from preflight.plan.plan import Plan
    from preflight.reference.catalogue import Explanation
    from preflight.run.runner import Run
    from preflight.run.waiting import Wait
    from preflight.saved.diff import Difference
    from preflight.saved.merge import MergedReport

    Document = Report | Reports | Difference | MergedReport | Explanation | str | int


def run(invocation: Invocation, so_far: SoFar) -> Report:
    """Check everything that the configuration names."""
    trust, config = _load(invocation, so_far)
    plan = _plan(invocation, config, so_far)
    run = _run(invocation, config, plan, trust, so_far.ignored)
    so_far.tracebacks += run.bugs
    so_far.note(run.starved)
    _add_results(so_far, plan, run.results)
    so_far.results = _compare(config, so_far)
    return report(invocation, so_far)


def config(invocation: Invocation, so_far: SoFar) -> Report | Reports:
    """Check the configuration alone; of several files, one after the other."""
    if invocation.options.arguments:
        from preflight.cli.commands import several

        return several.reports(invocation, _load)
    _load(invocation, so_far)
    return report(invocation, so_far)


def plan(invocation: Invocation, so_far: SoFar) -> Report:
    """List what a run would check."""
    from preflight.plan.plan import planned

    _, config = _load(invocation, so_far)
    plan = _plan(invocation, config, so_far)
    _add_results(so_far, plan, map(planned, plan.checks))
    return report(invocation, so_far)


def explain(invocation: Invocation, _: SoFar) -> Explanation:
    """Explain a finding, or list all findings."""
    from preflight.reference.catalogue import Explanation, entries, names

    catalogue, named = entries(), next(iter(invocation.options.arguments), "")
    if invocation.options.list or any(id_.startswith(f"{named}.") for id_ in catalogue):
        listed = tuple(entry for id_, entry in catalogue.items() if id_.startswith(named))
        if not listed:
            raise UsageError(f"no finding begins with {named!r}; see mistle-preflight explain --list")
        return Explanation(listed, listed=True)
    if not named:
        raise UsageError("name the finding, as in mistle-preflight explain network.refused; --list names them all")
    ids.require([named])
    return Explanation((names()[named],))


def demo(invocation: Invocation, so_far: SoFar) -> Report | str:
    """Check everything in a deployment that is made for this, perhaps with faults, and removed afterwards."""
    from preflight.demo.client import running
    from preflight.demo.faults import faults_text
    from preflight.demo.processes import DemoError

    if invocation.options.list:
        return faults_text()
    try:
        with running(invocation.options.faults, invocation.signals, invocation.progress) as deployment:
            report = run(_at(deployment, invocation), so_far)
            if invocation.options.keep:
                so_far.closing_text = deployment.keep()
            return report
    except DemoError as error:
        raise UsageError(str(error)) from error


def _at(deployment: Demo, invocation: Invocation) -> Invocation:
    """A run whose time begins now; the variables of the caller's own deployment are not the demo's."""
    of_demo = {name: getattr(deployment, name) for name in ("config", "ca_file", "unreported")}
    options = replace(invocation.options, command="run", **of_demo)
    environ = {name: value for name, value in invocation.environ.items() if not name.startswith("MISTLE_")}
    return Invocation(options, invocation.signals, environ, invocation.terminal, invocation.in_child)


def completion(invocation: Invocation, _: SoFar) -> str:
    """The completion script for a shell."""
    from preflight.cli import completion

    (shell,) = invocation.options.arguments
    if shell not in completion.SHELLS:
        raise UsageError(f"there is no completion for {shell!r}; there is for {', '.join(completion.SHELLS)}")
    return completion.script(shell)


def schema(invocation: Invocation, _: SoFar) -> str:
    """The JSON Schema of the configuration's file, or of a report."""
    from importlib.resources import files

    from preflight.reference import config_schema

    of = next(iter(invocation.options.arguments), SCHEMAS[0])
    if of not in SCHEMAS:
        raise UsageError(f"there is no schema of {of!r}; there are: {', '.join(SCHEMAS)}")
    if of == "report":
        return files("preflight").joinpath("report.schema.json").read_text(encoding="utf-8")
    return config_schema.text()


def diff(invocation: Invocation, _: SoFar) -> Difference:
    """Compare two reports."""
    from preflight.saved.diff import diff

    before, after = (saved_reports.read(invocation, Path(argument)) for argument in invocation.options.arguments)
    return replace(diff(before, after, invocation.fail_level), detail=invocation.options.detail)


def merge(invocation: Invocation, _: SoFar) -> MergedReport:
    """Merge several reports into one verdict for every key."""
    from preflight.saved.merge import merge

    reports = tuple(saved_reports.read_named(invocation, argument) for argument in invocation.options.arguments)
    names = [saved.name for saved in reports]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"two reports are called {twice!r}: name them, as in node-a={twice}.json")
    return replace(merge(reports, invocation.fail_level), detail=invocation.options.detail)


COMMANDS: Mapping[str, Callable[[Invocation, SoFar], Document]] = {
    "run": run,
    "config": config,
    "plan": plan,
    "explain": explain,
    "diff": diff,
    "merge": merge,
    "demo": demo,
    "serve": serve_watch.serve,
    "watch": serve_watch.watch,
    "schema": schema,
    "completion": completion,
}


def _load(invocation: Invocation, so_far: SoFar) -> tuple[Trust, Config]:
    """The certificates to trust, and the configuration. Raises UsageError, ConfigError, Interrupted."""
    with invocation.signals.interrupting():  # a file may be on a server that does not reply
        so_far.ignored = _ignored(invocation, so_far)
        trust, warning = ca_file.load(invocation.options, invocation.environ)
        before, options, seconds = invocation.seconds, invocation.options, invocation.seconds_for_file
        config = load(options.config, invocation.environ, seconds, options.service, invocation.lines)
    config = replace(config, findings=tuple(each for each in config.findings if each.id not in options.unreported))
    so_far.config, so_far.seconds_of_reading = config, round(invocation.seconds - before, 4)
    so_far.note(warning)
    return trust, config


def _ignored(invocation: Invocation, so_far: SoFar) -> frozenset[str]:
    """The ids that do not count. A line of the file whose last day is over becomes a finding. Raises UsageError."""
    options = invocation.options
    if not options.ignore_file:
        return ids.covered(options.ignore)
    from preflight.cli.inputs import ignore_file

    today, entries = invocation.started_at.date(), ignore_file.read(options.ignore_file, invocation.seconds_for_file)
    for entry in entries:
        so_far.note(entry.expired() if entry.until < today else None)
    return ids.covered((*options.ignore, *(entry.named for entry in entries if entry.until >= today)))


def _plan(invocation: Invocation, config: Config, so_far: SoFar) -> Plan:
    from preflight.plan.plan import SelectionError, plan

    options = invocation.options
    so_far.unproven = frozenset(config.keys)  # until there are results
    try:
        chosen = plan(config, stage=options.stage, service=options.service, only=options.only, skip=options.skip)
    except SelectionError as error:
        raise UsageError(str(error)) from error
    so_far.tracebacks += chosen.bugs
    return chosen


def _run(invocation: Invocation, config: Config, plan: Plan, trust: Trust, ignored: frozenset[str]) -> Run:
    from checks.core.recorder import Settings
    from preflight.output.progress import Progress
    from preflight.run import child_process, runner

    options = invocation.options
    make = child_process.run if invocation.in_child else runner.run
    with Progress(invocation.terminal, plan.checks, color=options.color) as progress:
        return make(
            plan.checks,
            Settings(trust, options.timeout, options.read_only),
            deadline=options.deadline,
            elapsed=invocation.seconds,
            origins=config.origins,
            signals=invocation.signals,
            on_event=progress.update,
            wait=_wait(options, invocation.fail_level, ignored, config),
        )


def _wait(options: Options, level: Status, ignored: frozenset[str], config: Config) -> Wait:
    """How long to wait: not at all with a wrong configuration, because waiting cannot make that run ready."""
    from preflight.run.waiting import Wait

    wait = Wait(options.wait, level, ignored)
    return replace(wait, seconds=0.0) if wait.failures(config.findings, ["config"]) else wait


def _add_results(so_far: SoFar, plan: Plan, results: Iterable[Result]) -> None:
    from preflight.plan.plan import with_services

    so_far.results, so_far.unproven = with_services((*results, *plan.blocked)), plan.unselected


def _compare(config: Config, so_far: SoFar) -> tuple[Result, ...]:
    from preflight.run.consistency import compare

    return compare(so_far.results, config.origins, lambda error: so_far.note_bug(error, "comparing the results"))
