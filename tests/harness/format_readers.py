"""A strict reader for each format, as its users have one; it returns every text as the user gets it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import cmarkgfm
import html5lib
from cmarkgfm.cmark import Options
from jsonschema import Draft4Validator
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from prometheus_client.parser import text_fd_to_metric_families
from xmlschema import XMLSchema

from tests.harness.command import SCHEMA

LEVELS = ("error", "warning", "notice")


@dataclass(frozen=True)
class Command:
    """One workflow command, as the runner understands it."""

    name: str
    properties: Mapping[str, str]
    data: str


@dataclass
class Document:
    """The content of a document: its structure, which no text may change, and the texts."""

    shape: list[object] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@cache
def junit_schema() -> XMLSchema:
    """The schema of the Jenkins xUnit plugin, the strictest reader."""
    return XMLSchema(Path(__file__).parent / "schemas/junit-10.xsd")


def junit(text: str) -> JUnitXml:
    """The test suites of a valid document."""
    junit_schema().validate(text)
    return JUnitXml.fromstring(text.encode())


@cache
def sarif_schema() -> Draft4Validator:
    """The schema of SARIF 2.1.0, from the package @microsoft/jest-sarif."""
    file = Path(__file__).parent / "schemas/sarif-2.1.0-rtm.5.json"
    return Draft4Validator(json.loads(file.read_text()), format_checker=Draft4Validator.FORMAT_CHECKER)


def sarif(text: str) -> dict[str, Any]:
    """The one run of a valid document, by the schema and by what GitHub requires beyond it."""
    document = json.loads(text)
    sarif_schema().validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert len(result["locations"]) == 1
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:file:///)?(?:[\w.~/-]|%[0-9A-F]{2})+", uri, re.ASCII)
        assert re.fullmatch(r"[0-9a-f]{32}:1", result["partialFingerprints"]["primaryLocationLineHash"])
        assert 0 <= result["provenance"]["invocationIndex"] < len(run["invocations"])
    assert isinstance(run, dict)
    return run


def sarif_text(text: str) -> str:
    """A message as a viewer shows it. It must hold no argument and no link."""
    assert not re.search(r"(?<!\{)(?:\{\{)*\{(?!\{)|\]\(", text), text
    return text.replace("{{", "{").replace("}}", "}")


def runner_command(line: str, names: tuple[str, ...] = ()) -> Command | None:
    """The command, in either syntax, that GitHub's runner reads from a line of a step's output, if any."""
    allowed = "|".join(names) or r"[\w-]+"
    if match := re.match(rf"\s*::({allowed})(?: (.*?))?::(.*)$", line, re.DOTALL | re.IGNORECASE):
        return Command(match[1].lower(), _pairs(match[2] or "", ",", _PROPERTY), _unescaped(match[3], _DATA))
    if match := re.search(rf"##\[({allowed})(?: (.*?))?\](.*)$", line, re.DOTALL | re.IGNORECASE):
        return Command(match[1].lower(), _pairs(match[2] or "", ";", _OLD), _unescaped(match[3], _OLD))
    return None


_DATA = {"%0D": "\r", "%0A": "\n", "%25": "%"}
_PROPERTY = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
_OLD = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%"}


def _pairs(text: str, comma: str, codes: Mapping[str, str]) -> dict[str, str]:
    split = (part.partition("=") for part in text.strip().split(comma) if part)
    return {name: _unescaped(value, codes) for name, _, value in split if value}


def _unescaped(text: str, codes: Mapping[str, str]) -> str:
    for code, character in codes.items():
        text = text.replace(code, character)
    return text


def github(text: str) -> list[Command]:
    """The commands. Every line must be one that GitHub documents, escaped exactly."""
    assert text.endswith("\n")
    return [_strict(line) for line in re.split(r"\r\n|\r|\n", text)[:-1]]


def _strict(line: str) -> Command:
    value = r"(?:[^%:,\r\n]|%25|%0D|%0A|%3A|%2C)+"
    properties = rf"(?:file|line|title)={value}"
    message = r"(?:[^%\r\n]|%25|%0D|%0A)+"
    assert re.fullmatch(rf"::({'|'.join(LEVELS)}) {properties}(,{properties})*::{message}", line), line
    command = runner_command(line, LEVELS)
    assert command
    assert re.fullmatch(r"[1-9]\d*", command.properties.get("line", "1"))
    return command


class _Html(HTMLParser):
    """Tags with their attributes, and texts with the tag around them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *attrs))
        self._open += [] if tag in {"br", "img", "hr", "input"} else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *attrs))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def handle_comment(self, data: str) -> None:
        self.tags.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.tags.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.tags.append("instruction")


def html(text: str) -> _Html:
    """A page or a part of one."""
    reader = _Html()
    reader.feed(text)
    reader.close()
    return reader


def markdown(text: str) -> _Html:
    """The page from GitHub's own parser, with its tables and autolinks, and with HTML unchanged."""
    return html(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE))


def markdown_tokens(text: str) -> list[tuple[str, str, str]]:
    """Type, tag and content of every node of CommonMark with tables, also of those within lines."""
    nodes = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        nodes.append((token.type, token.tag, "" if token.children else token.content))
        nodes += [(child.type, child.tag, child.content) for child in token.children or ()]
    return nodes


def prometheus(text: str) -> dict[str, object]:
    """The metric families by name."""
    return {family.name: family for family in text_fd_to_metric_families(StringIO(text))}


def _json(text: str) -> Document:
    SCHEMA.validate(json.loads(text))
    return _tree(json.loads(text))


def _sarif(text: str) -> Document:
    messages = [result["message"]["text"] for result in sarif(text)["results"]]
    document = _tree(json.loads(text))
    document.texts += map(sarif_text, messages)
    return document


def _tree(tree: object) -> Document:
    document = Document()

    def walk(node: object, path: tuple[object, ...]) -> None:
        document.shape.append((path, type(node)))
        for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            walk(child, (*path, key))
        if isinstance(node, str):
            document.texts.append(node)

    walk(tree, ())
    return document


def _text(text: str) -> Document:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    assert all(line.isprintable() for line in lines)
    return Document([line[:1] for line in lines], lines)


def _junit(text: str) -> Document:
    elements = list(junit(text)._elem.iter())
    shape: list[object] = [(element.tag, *sorted(element.attrib), len(element)) for element in elements]
    return Document(shape, [text for element in elements for text in (element.text or "", *element.attrib.values())])


def _github(text: str) -> Document:
    commands = github(text)
    shape: list[object] = [(command.name, tuple(command.properties)) for command in commands]
    return Document(shape, [text for command in commands for text in (command.data, *command.properties.values())])


def _markdown(text: str) -> Document:
    page, tokens = markdown(text), markdown_tokens(text)
    shape: list[object] = [*page.tags, *((type_, tag) for type_, tag, _ in tokens)]
    return Document(shape, [text for _, text in page.texts] + [content for *_, content in tokens])


def _prometheus(text: str) -> Document:
    samples = [sample for family in prometheus(text).values() for sample in family.samples]  # type: ignore[attr-defined]
    shape: list[object] = [(sample.name, tuple(sample.labels)) for sample in samples]
    return Document(shape, [value for sample in samples for value in sample.labels.values()])


def _page(text: str) -> Document:
    """Parsed with every error raised. A <wbr> is not structure; the page's own style and script are not texts."""
    elements = [each for each in html5lib.HTMLParser(strict=True).parse(text).iter() if isinstance(each.tag, str)]
    own = {id(each) for each in elements if _tag(each) in {"style", "script"}}
    kept = [each for each in elements if _tag(each) != "wbr"]
    shape: list[object] = [(_tag(each), *sorted(each.attrib)) for each in kept]
    texts = [each.tail for each in elements]
    texts += [text for each in elements if id(each) not in own for text in (each.text, *each.attrib.values())]
    return Document(shape, [text for text in texts if text])


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


class _Readers(dict[str, Callable[[str], Document]]):
    def __missing__(self, name: str) -> Callable[[str], Document]:
        raise AssertionError(f"add a reader of {name} to READERS in tests/harness/format_readers.py")


READERS = _Readers(
    {
        "text": _text,
        "json": _json,
        "junit": _junit,
        "github": _github,
        "markdown": _markdown,
        "prometheus": _prometheus,
        "html": _page,
        "sarif": _sarif,
    }
)
WITHOUT_MESSAGES = {"prometheus"}
"""The formats that show the id of a finding, and not its message."""
