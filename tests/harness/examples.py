"""One real message for every finding id, collected while the suite runs: scripts/examples writes them."""

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from checks.core.finding import Finding
from preflight.report.incidents.model import Fact

# Texts that show where the suite ran, and what a deployment would show instead.
_REPLACEMENTS = (
    (re.compile(r"/tmp/[^\s'\",]*/docker\.sock"), "/var/run/docker.sock"),
    (re.compile(r"/tmp/[^\s'\",]*/(?=[\w.-]+\.(?:toml|pem|json))"), "/etc/mistle/"),
    (re.compile(r"/tmp/[^\s'\",]+"), "/etc/mistle"),
    (re.compile(r"\b172\.\d+\.\d+\.\d+\b"), "10.0.0.5"),
)


@dataclass
class Examples:
    """Collects while the suite runs. An example that is there already stays, so that few lines ever change."""

    name: str
    found: dict[str, str] = field(default_factory=dict)

    def watch(self) -> None:
        """From now on collect every finding, and every fact of an incident, that is made in this process."""
        self._watch(Finding, "message")
        self._watch(Fact, "text")

    def _watch(self, made: type[Finding | Fact], text: str) -> None:
        make = made.__init__

        @functools.wraps(make)
        def watched(finding: Finding | Fact, *arguments: object, **named: object) -> None:
            make(finding, *arguments, **named)  # type: ignore[arg-type]
            self.found.setdefault(finding.id, _anywhere(getattr(finding, text)))

        made.__init__ = watched  # type: ignore[method-assign]

    def write(self, ids: set[str]) -> None:
        """Write the examples of ``ids``."""
        file = Path(self.name)
        kept = json.loads(file.read_text())
        merged = {id_: kept.get(id_) or self.found[id_] for id_ in sorted(ids) if id_ in kept or id_ in self.found}
        file.write_text(json.dumps(merged, ensure_ascii=False, indent=1) + "\n")


def _anywhere(text: str) -> str:
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text
