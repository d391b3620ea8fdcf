"""The report as GitHub's own parser and a CommonMark parser render it: our tables, and no markup from foreign text."""

import re
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.core.finding import Status
from checks.core.remedy import Remedy
from checks.core.text import clean
from preflight.config.origin import InReport
from preflight.formats import renderer
from preflight.report.model import KeyVerdict, Report
from tests.harness.format_readers import markdown, markdown_tokens
from tests.harness.reports import CONFIG, DIRECT, ENDINGS, EVICTS, REJECTED, REPORT, of

MARKDOWN = f"""\
## ❌ NOT READY

checks: 1 failed, 1 warned, 1 skipped, 1 ok · keys: 1 failed, 1 warned, 1 skipped, 1 ok · 0.81 s

mistle-preflight `1.2.3` · `live` · `/etc/mistle/mistle.toml`

### Failures

- ❌ `postgres.password-rejected` in `postgres.control_plane.direct`, auth\\
  `postgres.control_plane.direct_url` `mistle.toml:42`\\
  `the server refused the password`\\
  → `{REJECTED.hint}`

### Warnings

- ⚠️ `valkey.evicts-keys` in `kv.data_plane`, fitness\\
  `kv.data_plane.key_prefix` `default`\\
  `policy is allkeys-lru`
  ```sh
  # on kv:6379
  valkey-cli CONFIG SET maxmemory-policy noeviction
  ```

### Checks

|  | check | target | time | finding |
| --- | --- | --- | --- | --- |
| ✅ ok | `config` | `/etc/mistle/mistle.toml` | 20.0 ms |  |
| ❌ failed | `postgres.control_plane.direct` | `db:5432/mistle` | 20.0 ms | `postgres.password-rejected` |
| ⏭️ skipped | `postgres.control_plane.pooled` |  | 0.0 ms | `not checked: the URL cannot be used` |
| ⚠️ warned | `kv.data_plane` | `kv:6379` | 12.5 s | `valkey.evicts-keys` |

<details>
<summary>Keys: 1 failed, 1 warned, 1 skipped, 1 ok</summary>

|  | key | evidence | from | finding |
| --- | --- | --- | --- | --- |
| ✅ ok | `global.env` | validated | `MISTLE_ENV` |  |
| ❌ failed | `postgres.control_plane.direct_url` | probed | `mistle.toml:42` | `postgres.password-rejected` |
| ⏭️ skipped | `postgres.control_plane.pooled_url` | validated | `not set` |  |
| ⚠️ warned | `kv.data_plane.key_prefix` | probed | `default` | `valkey.evicts-keys` |

</details>
"""


def rendered(report: Report = REPORT, **changes: object) -> str:
    return renderer("markdown")(replace(report, **changes))  # type: ignore[arg-type]


def table(head: tuple[str, ...], rows: int) -> list[str]:
    cells = [part for _ in head for part in ("th", "/th")]
    body = [part for _ in range(rows) for part in ("tr", *(part for _ in head for part in ("td", "/td")), "/tr")]
    return ["table", "thead", "tr", *cells, "/tr", "/thead", "tbody", *body, "/tbody", "/table"]


def tags(text: str) -> list[str]:
    """The blocks of the document, without the text of their lines."""
    names = (tag if isinstance(tag, str) else tag[0] for tag in markdown(text).tags)
    return [name for name in names if name.removeprefix("/") not in {"code", "br", "p"}]


def test_verdict_failures_warnings_tables_and_folded_keys():
    assert rendered() == MARKDOWN


def test_document_has_only_our_headings_lists_and_tables():
    heading, title, listed = ["h2", "/h2"], ["h3", "/h3"], ["ul", "li", "/li", "/ul"]
    with_command = ["ul", "li", "pre", "/pre", "/li", "/ul"]
    folded = ["details", "summary", "/summary", *table(("",) * 5, 4), "/details"]
    assert tags(rendered()) == [*heading, *title, *listed, *title, *with_command, *title, *table(("",) * 5, 4), *folded]
    kinds = [kind for kind, *_ in markdown_tokens(rendered())]
    assert (kinds.count("table_open"), kinds.count("heading_open"), kinds.count("html_block")) == (2, 4, 2)


def test_quiet_is_the_verdict_and_the_failures():
    assert tags(rendered(detail=-1)) == ["h2", "/h2", "h3", "/h3", "ul", "li", "/li", "/ul"]
    assert "Warnings" not in rendered(detail=-1)
    assert "Warnings" in rendered(detail=-1, fail_level=Status.WARN)


def test_verbose_has_every_layer():
    assert rendered(detail=1).startswith(MARKDOWN)
    assert "| ✅ ok | `postgres.control_plane.direct` | dns | 1.2 ms | `db resolves` |\n" in rendered(detail=1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_verdict_comes_first(ending: str):
    report = ENDINGS[ending]
    first = rendered(report).split("\n")[0]
    assert first.startswith("## ✅ " if report.ready else "## ❌ NOT ")
    assert ("interrupted" in rendered(report).split("\n")[2]) is bool(report.signal)


def test_ignored_failure_is_marked():
    assert "⚠️ `postgres.password-rejected` in `postgres.control_plane.direct`, auth, ignored\\\n" in rendered(
        ENDINGS["ignored"]
    )


def hostile(words: str) -> Report:
    """A report with this text in every place that a text of a server or of the operator can reach."""
    broken = replace(
        DIRECT, name=words, target=words, findings=(replace(REJECTED, message=words, hint=words, fields=(words,)),)
    )
    remedy = Remedy("shell", words, f"echo {clean(words, 3000)}".strip())
    evicting = replace(DIRECT, findings=(replace(EVICTS, message=words, fields=(), remedies=(remedy,)),))
    keys = (KeyVerdict(words, Status.FAIL, "probed", InReport(words), (words,)), REPORT.keys[0])
    return of(CONFIG, broken, evicting, keys=keys, config=words, detail=1)


def shape(text: str) -> tuple[list[object], list[tuple[str, str]]]:
    return markdown(text).tags, [(kind, tag) for kind, tag, _ in markdown_tokens(text)]


PLAIN = shape(rendered(hostile("x")))
MARKUP = [
    "](http://evil.test)", "![x](http://evil.test/x.png)", "<img src=x>", "<script>", "</details>", "http://evil.test",
    "www.evil.test", "me@evil.test", "@admin", "#1", "|", "\\|", "\\\\|", "`", "``", "`" * 100, "\\`", "\\", "**", "~~",
    "[^1]", "- ", "# ", "---", "    ", "<!--", "-->", "&lt;", "&#124;", "$x$", ":tada:", "\n\n", "\t", " ",
]  # fmt: skip
TEXTS = st.lists(
    st.sampled_from(MARKUP) | st.text(string.printable + "é\u202e\ud800", max_size=8), min_size=1, max_size=8
)


@settings(max_examples=150)
@given(words=TEXTS.map("".join).filter(clean))
def test_no_text_changes_the_document(words: str):
    assert shape(rendered(hostile(words))) == PLAIN


@settings(max_examples=150)
@given(words=TEXTS.map("".join).filter(clean))
def test_every_text_is_in_a_code_span(words: str):
    cleaned = clean(words)
    page = markdown(rendered(hostile(f"said {words}")))
    others = [text for tag, text in page.texts if tag != "code"]
    benign = [text for tag, text in markdown(rendered(hostile("x"))).texts if tag != "code"]
    assert others == benign
    if "`" * 10 not in cleaned:
        assert f"said {cleaned}" in "".join(text for tag, text in page.texts if tag == "code")


@pytest.mark.parametrize("words", ["\\|", "\\\\|", "\\\\\\||", "|\\", "\\", "`\\`|"])
def test_parsers_that_differ_on_backslashes_read_the_same_cells(words: str):
    """For some a pipe is escaped after any backslash, for others only after an odd number of them."""
    rows = [line for line in rendered(hostile(f"x{words}y")).splitlines() if line.startswith("|")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 6


@pytest.mark.parametrize("words", MARKUP)
def test_markup_is_shown_and_not_followed(words: str):
    page = markdown(rendered(hostile(f"x{words}y")))
    assert not {tag[0] for tag in page.tags if isinstance(tag, tuple)} & {"a", "img", "script", "input", "sup"}
    assert not [
        token
        for token in markdown_tokens(rendered(hostile(f"x{words}y")))
        if token[0] in {"link_open", "image", "html_inline"}
    ]
