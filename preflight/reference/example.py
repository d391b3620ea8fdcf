"""The keys that examples/mistle.toml lacks: a line for each. All that it has already is written by hand, and stays."""

from __future__ import annotations

import json
import re
from functools import reduce

from preflight.config.schema.conditions import ALWAYS
from preflight.config.schema.key import Key
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.schema.tables import ABOUT
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Type


def complete(text: str) -> str:
    """The text of the file, with a line for each key that it lacks; in a comment, unless Mistle always requires it."""
    return reduce(_with, (key for key in KEYS if VERSION not in key.path), text)


def _with(text: str, key: Key) -> str:
    name, comment = key.path.rpartition(".")[2], "" if key.required is ALWAYS else "# "
    table = re.search(rf"^(# )?\[{re.escape(key.section)}\]\n(.+\n)*", text, re.MULTILINE)
    if table and re.search(rf"^(# )?{name} = ", table[0], re.MULTILINE):
        return text
    line = f"{comment}{name} = {_value(key.type)} # {key.about}\n"
    if table:
        return text[: table.end()] + line + text[table.end() :]
    about = f"# {ABOUT[key.section]}\n" if key.section in ABOUT else ""
    return f"{text}\n{about}{comment}[{key.section}]\n{line}"


def _value(of: Type) -> str:
    """A value of this type as TOML, which shows its form."""
    match of:
        case Boolean():
            return "false"
        case Integer():
            return str(of.minimum)
        case Choice():
            return json.dumps(of.allowed[0])
        case ListOf():
            return f"[{json.dumps(of.must_contain) if of.must_contain else _value(of.item)}]"
        case Text():
            return f'"{of.schemes[0]}://…"' if of.schemes else '"…"'
