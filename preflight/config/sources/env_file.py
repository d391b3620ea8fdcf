"""Reads a file of variables as Docker Compose reads its ``env_file:``.

python-dotenv finds the statements. Where the two differ, Compose decides, and what one of them refuses is refused:
https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from checks.core import files
from preflight.config.sources.substitution import LONGEST, InvalidTemplate, Lookup, substituted

if TYPE_CHECKING:
    from dotenv.parser import Binding

_STATEMENT = re.compile(r"\s*(?:export[^\S\n]+)?(?P<name>[\w.\[\]-]+)[^\S\n]*(?:=[^\S\n]*(?P<value>.*))?", re.DOTALL)
_YAML = re.compile(r"\s*(?:export[^\S\n]+)?[\w.\[\]-]+[^\S\n]*:")
_QUOTED = {quote: re.compile(rf"{quote}((?:\\.|[^{quote}\\])*){quote}", re.DOTALL) for quote in "'\""}
_ODD = re.compile(r"\0|\r(?!\n)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)) | {"\\": "\\", '"': '"', "$": "$$"}


class InvalidLine(Exception):
    """A file, or a line of it, cannot be read. The message quotes nothing of it but the names of variables."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Variable(NamedTuple):
    """The value of a variable, and its line."""

    value: str
    line: int


@dataclass
class _Reader:
    """Variables that are found so far; ``lookup`` has those from elsewhere."""

    lookup: Lookup
    found: dict[str, Variable] = field(default_factory=dict, repr=False)

    def value_of(self, name: str) -> str | None:
        elsewhere = self.lookup(name)
        return self.found[name].value if elsewhere is None and name in self.found else elsewhere


def read(path: Path, lookup: Lookup, seconds: float) -> Mapping[str, Variable]:
    """The variables of a file. ``lookup`` has those that its values may name. Raises InvalidLine, UnreadableFile."""
    text = _decoded(files.read(path, LONGEST, seconds).removeprefix(b"\xef\xbb\xbf"))
    reader = _Reader(lookup)
    for line, statement in _statements(text):
        match = _STATEMENT.fullmatch(statement)
        if not match:
            raise InvalidLine("the name may hold letters, digits and _ only", line)
        if match["value"] is not None:  # a name alone: the process's own variable of this name
            reader.found[match["name"]] = Variable(_value(match["value"], reader, line), line)
    return reader.found


def _decoded(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidLine("is not UTF-8", content.count(b"\n", 0, error.start) + 1) from None
    if odd := _ODD.search(text):
        message = "a NUL character" if odd[0] == "\0" else "a carriage return within a line"
        raise InvalidLine(message, text.count("\n", 0, odd.start()) + 1)
    return text


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement without its end, and the number of its first line."""
    from dotenv.parser import parse_stream

    for binding in parse_stream(StringIO(text, newline="")):
        statement = binding.original.string
        line = binding.original.line + statement[: len(statement) - len(statement.lstrip())].count("\n")
        if binding.error:
            raise InvalidLine(_reason(binding), line)
        if binding.key is not None:
            yield line, statement.strip()


def _reason(binding: Binding) -> str:
    statement = binding.original.string
    if _YAML.match(statement):
        return "write NAME=value, not NAME: value"
    _, equals, value = statement.partition("=")
    if not equals:
        return "this line is not NAME=value"
    quote = value.strip()[:1]
    if quote in _QUOTED:
        is_closed = _QUOTED[quote].match(value.strip())
        return "something follows the closing quote" if is_closed else "a quote is not closed"
    return "this line is not NAME=value"


def _value(written: str, reader: _Reader, line: int) -> str:
    """The value as Compose reads it: in single quotes nothing is replaced."""
    quoted = _QUOTED[written[0]].match(written) if written[:1] in _QUOTED else None
    try:
        if quoted and written[0] == "'":
            return quoted[1].replace("\\'", "'")
        text = _ESCAPE.sub(_unescaped, quoted[1]) if quoted else written.split(" #", maxsplit=1)[0].rstrip()
        return substituted(text, reader.value_of)
    except InvalidTemplate as error:
        raise InvalidLine(str(error), line) from None


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] == "0":
        raise InvalidTemplate("write no octal escape")
    return _ESCAPES.get(escape[1], escape[0])
