"""Texts that a hostile server, or the author of a hostile configuration, may put into the free text of a report.

For the tests of every format: ``report(word)`` holds a text in each free-text member of a Report; ``stray(text)`` and
``commands(text)`` return what no output may hold. A report has no control characters, so each format only has to escape
its own markup: its test shows that the texts of ``MARKUP`` stay text.
"""

import re
import unicodedata
from collections.abc import Mapping

from checks.core.finding import Finding, Layer, Status
from preflight.config.origin import InReport
from preflight.report.model import KeyVerdict, Report
from preflight.report.result import Result
from tests.harness.reports import of

MARK = "Zq7"  # in every text: the part that must stay visible

# Text that a terminal would obey, or that would deceive a reader.
CONTROL: Mapping[str, str] = {
    "colours (CSI)": f"\x1b[31m{MARK}\x1b[0m",
    "a cleared screen": f"\x1b[2J\x1b[H\x1b[3J{MARK}",
    "a moved cursor": f"{MARK}\x1b[1A\x1b[2K READY",
    "a link (OSC 8)": f"\x1b]8;;https://evil.test/\x1b\\{MARK}\x1b]8;;\x1b\\",
    "the clipboard (OSC 52)": f"\x1b]52;c;cm0gLXJmIC8=\x07{MARK}",
    "the window's title": f"\x1b]0;READY\x07{MARK}",
    "a device's control string (DCS)": f"\x1bP$qREADY\x1b\\{MARK}",
    "C1 in UTF-8": f"\x9b31m{MARK}\x9d0;x\x9c\x90x\x9c\x85",
    "C1 in raw bytes": f"\udc9b31m{MARK}\udc9d0;x\udc9c",
    "bytes that are no text": f"\udcff\udcfe{MARK}\udc80",
    "every C0": "".join(map(chr, range(32))) + MARK + "\x7f",
    "NUL": f"{MARK}\0",
    "backspaces": f"FAIL\b\b\b\b{MARK} OK",
    "carriage returns": f"{MARK} fail\rREADY\r\nREADY",
    "lines and tabs": f"{MARK}\nREADY\n\tREADY\v\f",
    "separators of lines": f"{MARK}\u2028READY\u2029READY\x85READY",
    "bidirectional overrides": f"\u202e{MARK}\u202d\u202c\u202a\u202b",
    "bidirectional isolates": f"\u2066\u2067\u2068{MARK}\u2069\u200e\u200f\u061c",
    "zero width": f"{MARK}\u200b\u200c\u200d\ufeff\u2060\u00ad\u180e",
    "tags": f"{MARK}\U000e0001\U000e0072\U000e0065\U000e007f",
    "private and unassigned": f"{MARK}\ue000\U000f0000\u0378\uffff\U0010ffff",
    "spaces of every width": f"{MARK}\u00a0\u2000\u2003\u3000\u202f\u205f x",
}

# Text that a document, or a build server that reads the output, would obey.
MARKUP: Mapping[str, str] = {
    "HTML": f"</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>{MARK}&lt;&#0;",
    "HTML in an attribute": f"\" onmouseover=\"alert(1)\" '{MARK}' x='",
    "XML": f"]]>{MARK}<![CDATA[<!-- --></failure><testsuite/>&amp;&x;",
    "XML: entities": f"&lt;{MARK}&gt; &#0; &#x1b; &amp;amp; &bogus;",
    "XML: comments": f"<!-- {MARK} --> --> <!--",
    "XML: a document type": f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/{MARK}'>]>",
    "characters that XML has not": f"{MARK}\x01\x0b\x1f\ufffe\uffff\ud800",
    "Markdown links and images": f"[{MARK}](javascript:alert(1)) ![x](https://evil.test/x.png) <https://evil.test>",
    "Markdown tables and code": f"| {MARK} | `x` ```\n# heading\n- item\n***\n~~~",
    "Markdown references": f"[{MARK}][y] [y]: http://evil.test",
    "bare links": f"http://evil.test/{MARK} www.evil.test me@evil.test",
    "mentions": f"@admin #1 evil/repo#2 {MARK} :tada: $`x`$",
    "escaped cells of a table": f"a | {MARK} \\| c \\\\| d",
    "code fences": f"``` ` `` {MARK} ~~~",
    "many backticks": "`" * 100 + f"<b>{MARK}",
    "the end of a folded part": f"</details>\n\n# {MARK}\n\n- x",
    "HTML in Markdown": f"<details open><summary>{MARK}</summary><img src=https://evil.test></details> @everyone #1",
    "GitHub: an error": f"::error file=x,line=1::{MARK}",
    "GitHub: a mask": f"::add-mask::{MARK}",
    "GitHub: the end of commands": f"::stop-commands::{MARK}",
    "GitHub: in brackets": f"##[error]{MARK} ##[add-mask]x ####[group]x",
    "GitHub: escapes": f"%0A::error::{MARK}%0D%25%3A%2C 100%",
    "GitHub: properties": f",line=9,title={MARK}::y",
    "Azure": f"##vso[task.setvariable variable=x]{MARK}",
    "TeamCity": f"##teamcity[buildStatus status='SUCCESS']{MARK}",
    "Prometheus labels": f'{MARK}"}} 1\nmistle_ready{{x="\\',
    "Prometheus comments": f'{MARK}\\"\\n# TYPE mistle_preflight_ready counter',
    "shells": f"$({MARK}) `{MARK}` ; rm -rf / # $PATH ${{PATH}}",
    "placeholders": f"{{url}} {{blamed}} {{0}} %s %(x)s {MARK} {{",
    "JSON": f'", "ready": true, "{MARK}": "\\u001b[31m\\',
    "a very long word": MARK + "W" * 5000,
    "very long markup": MARK + "very long |`<" * 1500,
    "very many words": f"{MARK} " * 2000,
    "a very long mark": MARK + "\u0301" * 3000,
    "nothing": "",
}
WORDS: Mapping[str, str] = CONTROL | MARKUP

_COLORS = re.compile(r"\x1b\[(?:0|1|2|31|32|33|1;31|1;32)m")  # the text format's own
_COMMAND = re.compile(r"^\s*::[a-z-]+.*::|##\[|##vso\[|##teamcity\[", re.MULTILINE)
KEY, NAME = "postgres.control_plane.direct_url", "postgres.control_plane.direct"


def report(word: str) -> Report:
    """A report with this text in every member that holds free text, at every status."""
    findings = tuple(Finding(f"postgres.{status}", Layer.AUTH, status, word, word, (KEY,), 0.1) for status in Status)
    verdict = KeyVerdict(KEY, Status.FAIL, "probed", InReport(word), ("postgres.fail",), (NAME,))
    result = Result(NAME, "postgres", word, (KEY,), findings, 0.1)
    return of(result, keys=(verdict,), config=word, file=None, detail=1)


def stray(text: str) -> set[str]:
    """The control characters of an output, except line ends, tabs and the colours of the text format."""
    shown = set(_COLORS.sub("", text)) - {"\n", "\t"}
    return {each for each in shown if unicodedata.category(each).startswith("C") or each in "\u2028\u2029"}


def commands(text: str) -> list[str]:
    """The lines of an output that a build server would obey."""
    return [line for line in text.split("\n") if _COMMAND.search(line)]
