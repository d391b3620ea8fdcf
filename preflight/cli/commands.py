"""What each command does: from a session's options to the document that is printed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.check import Check, Finding, Layer, Status
from preflight.cli import ca_file
from preflight.cli.options import UsageError
from preflight.config.loader import load
from preflight.report.attribution import keys_of
from preflight.report.model import Report, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from checks.core.roots import Trust
    from preflight.cli.invocation import Invocation
    from preflight.plan.plan import Plan
    from preflight.reference.catalogue import Explanation
    from preflight.saved.diff import Difference
    from preflight.saved.merge import MergedReport
    from preflight.saved.reader import SavedReport

    Document = Report | Difference | MergedReport | Explanation | str


def run(session: Invocation) -> Report:
    """Check everything."""
    from checks.core.check import Settings
    from preflight.output.progress import Progress
    from preflight.plan.plan import with_services
    from preflight.run import child_process, runner

    options, trusted = session.options, _begin(session)
    plan = _plan(session)
    make = child_process.run if session.apart else runner.run
    with Progress(session.terminal, plan.checks, color=session.options.color) as progress:
        done = make(
            plan.checks,
            Settings(trusted, options.timeout, options.read_only),
            deadline=options.deadline,
            elapsed=session.seconds,
            origins=session.config.origins,
            signals=session.signals,
            on_end=progress.ended,
        )
    session.results, session.unproven = with_services((*done.results, *plan.blocked)), plan.unselected
    session.tracebacks += done.bugs
    _compare(session)
    return session.report()


def config(session: Invocation) -> Report:
    """Check the configuration alone."""
    _begin(session)
    return session.report()


def plan(session: Invocation) -> Report:
    """Say what a run would check."""
    from preflight.plan.plan import with_services

    _begin(session)
    session.options = replace(session.options, detail=session.options.detail or 1)
    plan = _plan(session)
    session.results, session.unproven = with_services((*map(_planned, plan.checks), *plan.blocked)), plan.unselected
    return session.report()


def explain(session: Invocation) -> Explanation:
    """Say what a finding means, or which there are."""
    from preflight.reference.catalogue import Explanation, entries

    known, (asked, *_) = entries(), (*session.options.arguments, "")
    if session.options.list or any(id_.startswith(f"{asked}.") for id_ in known):
        found = tuple(entry for id_, entry in known.items() if id_.startswith(asked))
        if not found:
            raise UsageError(f"no finding begins with {asked!r}; see mistle-preflight explain --list")
        return Explanation(found, listed=True)
    if not asked:
        raise UsageError("name the finding, as in mistle-preflight explain network.refused; --list names them all")
    _require_known([asked])
    return Explanation((known[asked],))


def completion(session: Invocation) -> str:
    """Give a shell what it needs to complete this command."""
    from preflight.cli import completion

    (shell,) = session.options.arguments
    if shell not in completion.SHELLS:
        raise UsageError(f"there is no completion for {shell!r}; there is for {', '.join(completion.SHELLS)}")
    return completion.script(shell)


def diff(session: Invocation) -> Difference:
    """Say what changed between two reports."""
    from preflight.saved.diff import diff

    before, after = (_read(session, Path(argument)) for argument in session.options.arguments)
    return diff(before, after, session.fail_level)


def merge(session: Invocation) -> MergedReport:
    """Make one verdict for every key from several reports."""
    from preflight.saved.merge import merge

    vantages = tuple(_vantage(session, argument) for argument in session.options.arguments)
    names = [vantage.name for vantage in vantages]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"two reports are called {twice!r}: name them, as in node-a={twice}.json")
    return merge(vantages, session.fail_level)


COMMANDS: Mapping[str, Callable[[Invocation], Document]] = {
    "run": run,
    "config": config,
    "plan": plan,
    "explain": explain,
    "diff": diff,
    "merge": merge,
    "completion": completion,
}


def _begin(session: Invocation) -> Trust:
    """Read the configuration. Returns the certificates to trust.

    Raises UsageError, ConfigError, Interrupted.
    """
    _require_known(session.options.ignore)
    with session.signals.interrupting():  # files may be where nobody answers
        trusted, warning = ca_file.choose(session.options, session.environ)
        before = session.seconds
        config = load(session.options.config, session.environ, session.patience)
    session.read(config)
    session.reading = round(session.seconds - before, 4)
    if warning:
        session.note(warning)
    return trusted


def _vantage(session: Invocation, argument: str) -> SavedReport:
    """A report and its name: the one given, else the service's, else the file's."""
    name, equals, file = argument.partition("=")
    if not equals or Path(argument).exists():
        name, file = "", argument
    found = _read(session, Path(file), name)
    return found if name else replace(found, name=found.service or found.name.removesuffix(".json"))


def _read(session: Invocation, file: Path, name: str = "") -> SavedReport:
    from preflight.saved.reader import SavedReportError, read

    try:
        return read(file, name, session.patience)
    except SavedReportError as error:
        raise UsageError(str(error)) from error


def _require_known(ids: Iterable[str]) -> None:
    from difflib import get_close_matches

    for id_ in ids:
        from preflight.reference.catalogue import entries

        if id_ not in (known := entries()):
            close = get_close_matches(id_, known, 1)
            raise UsageError(f"there is no finding {id_!r}" + (f"; did you mean {close[0]}?" if close else ""))


def _plan(session: Invocation) -> Plan:
    from preflight.plan.plan import SelectionError, plan

    options = session.options
    session.unproven = frozenset(session.config.keys)  # until the checks have shown something
    try:
        chosen = plan(
            session.config, stage=options.stage, service=options.service, only=options.only, skip=options.skip
        )
    except SelectionError as error:
        raise UsageError(str(error)) from error
    session.tracebacks += chosen.bugs
    return chosen


def _compare(session: Invocation) -> None:
    from preflight.run.consistency import compare

    def note(error: BaseException) -> None:
        session.note_bug(error, "comparing the results")

    session.results = compare(session.results, session.config.origins, note)


_WOULD = {
    Layer.CONFIG: "it would be read",
    Layer.DNS: "the name would be resolved",
    Layer.CONNECT: "every address would be connected to",
    Layer.TLS: "the certificate would be held to what Mistle trusts",
    Layer.AUTH: "the credentials would be shown",
    Layer.ACCESS: "what Mistle does there would be tried",
    Layer.FITNESS: "what is there would be held to what Mistle needs",
}


def _planned(check: Check) -> Result:
    rungs = [Finding(f"{check.prefix}.{layer}", layer, Status.SKIP, _WOULD[layer]) for layer in check.layers]
    return Result(check.name, check.kind, check.target, keys_of(check), tuple(rungs))
