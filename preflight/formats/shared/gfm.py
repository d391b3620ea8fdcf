"""Parts of GitHub's Markdown. Foreign text is put into code spans, where nothing is markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.formats.shared.incidents import certainty, consequences
from preflight.formats.shared.phrases import STYLES
from preflight.report.incidents.model import Incident

if TYPE_CHECKING:
    from checks.core.remedy import Remedy

_MAX_TEXT = 4000  # characters: a hint may name the origins of many keys
_MAX_TICKS = 9
_TICKS = re.compile("`+")
MARKS = {Status.OK: "✅", Status.SKIP: "⏭️", Status.WARN: "⚠️", Status.FAIL: "❌"}


def status_text(status: Status) -> str:
    """A status as a mark and a word, which a screen reader reads."""
    return f"{MARKS[status]} {STYLES[status].counted}"


def folded(title: str, text: str) -> str:
    """A part of the document that the reader can open."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def section(title: str, items: Iterable[str]) -> str:
    """A list with its heading; nothing without items."""
    lines = [f"- {item}" for item in items]
    return "\n".join((f"### {title}\n", *lines)) if lines else ""


def problem(finding: Finding, title: str, details: Iterable[str]) -> str:
    """An item of a list: ``title``, then ``details``, the message, the hint, and each remedy in a block to copy."""
    hint = f"→ {code(finding.hint)}" if finding.hint else ""
    lines = "\\\n  ".join(filter(None, (title, *details, code(finding.message), hint)))
    return "".join((lines, *map(_block, finding.remedies)))


def _block(remedy: Remedy) -> str:
    """A fenced block in an item of a list. No line of it is a fence: each begins with a word of this program."""
    lines = (line.removeprefix("$ ") for line in remedy.lines)
    return "".join(f"\n  {line}" for line in ("```sh", *lines, "```"))


def problem_title(finding: Finding, check: str) -> str:
    """The id, the check and the layer of a finding."""
    return f"{MARKS[finding.status]} {code(finding.id)} in {code(check)}, {finding.layer}"


def incident_section(incidents: Iterable[Incident], title: str = "Incidents") -> str:
    """The incidents: each cause, and what follows from it."""
    return section(title, map(_incident, incidents))


def _incident(incident: Incident) -> str:
    title = f"{MARKS[incident.status]} {code(incident.root.id)} ({', '.join(map(code, certainty(incident)))})"
    if not incident.consequences:
        return title
    hint = f"→ {code(incident.root.hint)}" if incident.root.hint else ""
    explains = f"explains {code(consequences(incident))}"
    lines = "\\\n  ".join(filter(None, (title, code(incident.why), hint, explains)))
    return "".join((lines, *map(_block, incident.root.remedies)))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table, whose cells are Markdown."""
    lines = (head, ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """A pipe is escaped, even in code. Parsers differ on a backslash before a pipe, so a space separates them."""
    return text.replace("\\|", "\\ |").replace("|", "\\|")


def code(text: str) -> str:
    """A code span, whose fence does not occur in the text and is shorter than 80, the limit of GitHub's parser."""
    shown = _TICKS.sub(lambda ticks: ticks[0][:_MAX_TICKS], clean(text, _MAX_TEXT))
    fence = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    space = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}" if shown else ""
