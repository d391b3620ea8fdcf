"""Edits: a line of the configuration with its right value, or a command that corrects it. None shows a secret."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import NamedTuple

from checks.core import remedy
from checks.core.remedy import Remedies
from preflight.config.origin import InFile, InVariable, Origin
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import BY_PATH
from preflight.config.urls import parse_or_none

ENVIRONMENT = "environment"  # where a variable is that is in no file
_FILE = re.compile(r"[\w@%+=:,.-]+")
_PLAIN = re.compile(r"[\w@%+=:,./?-]*", re.ASCII)  # the same in a shell, in a file of variables and in YAML


def set_value(path: str, value: object, origin: Origin | None) -> Remedies:
    """The line of a key with another value; nothing if the key is secret, or its line holds more than the key.

    The value ``{"from": [host, port], "to": "host:port"}`` changes the host and port of a URL.
    """
    if isinstance(value, dict):
        return _moved(origin, value["from"], value["to"])
    return _line(path, value, origin) if not _is_secret(path, value) else ()


def rename(name: str, origin: Origin | None) -> Remedies:
    """The command that renames a key that has its own line. It does not depend on the value."""
    at = _written(origin)
    return _sed(at.file, f"{at.number}s/{at.name}/{name}/") if at else ()


class _Written(NamedTuple):
    """A line that holds one value alone: its file without directories, its number, and the name before the value."""

    file: str
    number: int
    name: str


def _written(origin: Origin | None) -> _Written | None:
    match origin:
        case InFile(path=path, line=int(number), name=str(name)) if name and _FILE.fullmatch(path):
            return _Written(path, number, name.rpartition(".")[2])
        case InVariable(name=name, file=path, line=number) if path and _FILE.fullmatch(PurePath(path).name):
            return _Written(PurePath(path).name, number, name)
    return None


def exchange(first: Origin | None, second: Origin | None) -> Remedies:
    """The command that exchanges the values of two keys, by exchanging their names: the values may be secret."""
    one, other = _written(first), _written(second)
    if not one or not other or one.file != other.file or one.number == other.number:
        return ()
    scripts = (f"{one.number}s/{one.name}/{other.name}/", f"{other.number}s/{other.name}/{one.name}/")
    return _sed(one.file, "-e", scripts[0], "-e", scripts[1])


def _sed(file: str, *words: str) -> Remedies:
    return remedy.command("shell", f"in the directory of {file}", "sed", "-i.bak", *words, "--", file)


def _moved(origin: Origin | None, old: tuple[str, int], new: str) -> Remedies:
    """The command that gives a URL another host and port: the rest of it may be a secret."""
    at = _written(origin)
    if not at:
        return ()
    host, port = re.sub(r"([.\[\]])", r"\\\1", old[0]), f"(:{old[1]})?"
    return _sed(at.file, "-E", f"{at.number}s#([/@]){host}{port}([/?\"']|$)#\\1{new}\\3#")


def _line(path: str, value: object, origin: Origin | None) -> Remedies:
    """The line with this value, which is no secret."""
    match origin:
        case InFile(line=int(), name=str(name)) if name:
            return remedy.line("edit", str(origin), f"{name} = {json.dumps(value, ensure_ascii=False)}")
        case InVariable() if path in BY_PATH:
            return _of_variable(origin, value)
    return ()


def _of_variable(variable: InVariable, value: object) -> Remedies:
    items = value if isinstance(value, list) else [value]
    text = ",".join(item if isinstance(item, str) else json.dumps(item) for item in items)
    place = str(variable) if variable.file else ENVIRONMENT
    return remedy.line("edit", place, f"{variable.name}={text}") if _PLAIN.fullmatch(text) else ()


def _is_secret(path: str, value: object) -> bool:
    """Whether the value must not be shown: of a secret key, all but a URL that holds no user."""
    key = BY_PATH.get(path)
    if key is None or key.secrecy is Secrecy.NONE:
        return _holds_user(value)
    return not key.url or _holds_user(value)


def _holds_user(value: object) -> bool:
    if not isinstance(value, str) or "://" not in value:
        return False
    url = parse_or_none(value)
    return url is None or bool(url.username or url.password or url.query)
