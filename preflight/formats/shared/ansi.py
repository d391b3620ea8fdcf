"""Lines of text for a terminal.

Colours are SGR codes; ``output.writer`` removes them where the output is no terminal. ``ASCII`` replaces the marks that
the encoding of the output does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checks.core.finding import Finding, Status
from preflight.formats.shared.incidents import certainty, consequences
from preflight.formats.shared.phrases import STYLES
from preflight.report.incidents.model import Incident

ASCII = str.maketrans({"✓": "+", "✗": "x", "–": "-", "→": "->", "·": "|", "…": "..."})  # noqa: RUF001


def with_mark(status: Status, line: str) -> str:
    """The line with the mark of its status. The whole line of a warning or a failure is coloured."""
    style = STYLES[status]
    if status > Status.SKIP:
        return "  " + color(style.color, f"{style.mark} {line.rstrip()}")
    return f"  {color(style.color, style.mark)} {line.rstrip()}"


def problem_lines(finding: Finding, about: Iterable[str], details: Iterable[str]) -> Iterator[str]:
    """A warning or a failure: its id, with ``about`` in brackets, then ``details``, its message and its hint."""
    yield with_mark(finding.status, f"{finding.id}  ({', '.join(about)})")
    yield from (f"      {line}" for line in (*details, finding.message))
    if finding.hint:
        yield f"      → {finding.hint}"
    yield from (f"      {line}" for remedy in finding.remedies for line in remedy.lines)


def titled(title: str, lines: Iterable[str]) -> list[str]:
    """The lines below their title; nothing without lines."""
    listed = list(lines)
    return [color("1", title), *listed] if listed else []


def incident_lines(incidents: Iterable[Incident], title: str = "incidents") -> list[str]:
    """The incidents under their title: each cause, and in one line what follows from it."""
    return titled(title, (line for incident in incidents for line in _incident(incident)))


def _incident(incident: Incident) -> Iterator[str]:
    yield with_mark(incident.status, f"{incident.root.id}  ({', '.join(certainty(incident))})")
    if incident.consequences:
        yield f"      {incident.why}"
        yield from [f"      → {incident.root.hint}"] if incident.root.hint else []
        yield from (f"      {line}" for remedy in incident.root.remedies for line in remedy.lines)
        yield color("2", f"      explains {consequences(incident)}")


def color(code: str, text: str) -> str:
    """The text between an SGR code and a reset."""
    return f"\x1b[{code}m{text}\x1b[0m"
