"""The examples of docs/formats.md: ``PYTHONPATH=.:tests python tests/formats_page.py`` writes them anew."""

import re
from pathlib import Path

from preflight.formats import FORMATS
from reports import CONFIG, DIRECT, REPORT, of

PAGE = Path(__file__).parents[1] / "docs/formats.md"
LANGUAGES = {"json": "json", "junit": "xml", "markdown": "markdown"}
EXAMPLE = of(CONFIG, DIRECT, keys=REPORT.keys[:2])
_PLACE = re.compile(r"<!-- example: (\w+) -->\n(?:(````)\w*\n.*?\n\2\n)?", re.DOTALL)


def page(text: str) -> str:
    """The page with its examples as the formats are now."""
    return _PLACE.sub(lambda place: f"<!-- example: {place[1]} -->\n{_example(place[1])}", text)


def _example(name: str) -> str:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", FORMATS[name](EXAMPLE)).replace("\t", "  ")
    return f"````{LANGUAGES.get(name, '')}\n{shown}````\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
