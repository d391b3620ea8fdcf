"""The types of Mistle's keys: which TOML values each accepts, and how it reads an environment variable."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from checks.core.finding import Cause
from checks.core.text import foreign
from preflight.config import causes, javascript

_NAMES = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "an array", dict: "a table"}


class InvalidValue(Exception):
    """Mistle refuses the value. ``message`` holds no secret; ``corrected`` is the value that is meant, if known."""

    def __init__(self, cause: Cause, message: str, corrected: object = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.corrected = corrected


class UnreadableOverride:
    """The value in a tree of an override whose text could not be read."""


def name_of(value: object) -> str:
    """TOML's name of the value's type."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "an array of tables"
    return _NAMES.get(type(value), "a date or time")


def shown(value: object) -> str:
    """A value as text for a message: short, without control characters. Not for secrets."""
    return foreign(json.dumps(value, ensure_ascii=False, default=str), 80)


@dataclass(frozen=True)
class Text:
    """A string that is not blank. ``schemes``: Mistle uses it as a URL with one of these schemes; ``word`` may stand in
    its place.
    """

    schemes: tuple[str, ...] = ()
    word: str = ""
    expects: ClassVar[str] = "a string in quotes"

    def parse(self, text: str) -> object:
        """An override's value."""
        return text

    def accept(self, value: object) -> object:
        """The value as Mistle sees it. Raises InvalidValue."""
        if not isinstance(value, str):
            raise InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be {self.expects}")
        if not javascript.trim(value):
            raise InvalidValue(causes.BLANK, "is blank")
        return javascript.trim(value)


@dataclass(frozen=True)
class Choice:
    """One of a few strings, case-sensitive."""

    allowed: tuple[str, ...]

    @property
    def expects(self) -> str:
        """The text that follows "must be"."""
        return " or ".join(f'"{value}"' for value in self.allowed)

    def parse(self, text: str) -> object:
        """An override's value."""
        return text

    def accept(self, value: object) -> object:
        """The value as Mistle sees it. Raises InvalidValue."""
        if not isinstance(value, str):
            raise InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be {self.expects}")
        if value not in self.allowed:
            cause = causes.NOT_ALLOWED if javascript.trim(value) else causes.BLANK
            raise InvalidValue(cause, f"is {shown(value)}, must be {self.expects}")
        return value


@dataclass(frozen=True)
class Integer:
    """A whole number within limits, both included; ``5100.0`` is one."""

    minimum: int
    maximum: int = javascript.SAFE_INTEGER

    @property
    def expects(self) -> str:
        """The text that follows "must be"."""
        limits = (
            f"from {self.minimum}"
            if self.maximum == javascript.SAFE_INTEGER
            else f"from {self.minimum} to {self.maximum}"
        )
        return f"a whole number {limits}, without quotes"

    def parse(self, text: str) -> object:
        """An override's value, as JavaScript's ``Number()`` reads it."""
        try:
            return javascript.number(text)
        except ValueError:
            raise InvalidValue(causes.BAD_OVERRIDE, f"is {shown(text)}, must be {self.expects}") from None

    def accept(self, value: object) -> object:
        """The value as Mistle sees it. Raises InvalidValue."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be {self.expects}")
        if not self.minimum <= value <= self.maximum:  # true for nan as well
            raise InvalidValue(causes.OUT_OF_RANGE, f"is {_brief(value)}, must be {self.expects}")
        if value != int(value):
            raise InvalidValue(causes.WRONG_TYPE, f"is {value}, must be {self.expects}")
        return int(value)


def _brief(value: float) -> str:
    """A short text of a number, whatever its size."""
    return f"{value:.16g}" if abs(value) <= javascript.SAFE_INTEGER else "beyond any limit"


@dataclass(frozen=True)
class Boolean:
    """``true`` or ``false``."""

    expects: ClassVar[str] = "true or false, without quotes"

    def parse(self, text: str) -> object:
        """An override's value: exactly ``true`` or ``false``."""
        if text not in ("true", "false"):
            raise InvalidValue(causes.BAD_OVERRIDE, f"is {shown(text)}, must be exactly true or false, in lower case")
        return text == "true"

    def accept(self, value: object) -> object:
        """The value as Mistle sees it. Raises InvalidValue."""
        if not isinstance(value, bool):
            raise InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be {self.expects}")
        return value


@dataclass(frozen=True)
class ListOf:
    """A list of at least one item, each of type ``item``; one item must be ``must_contain``, unless that is blank."""

    item: Text | Choice
    must_contain: str = ""

    @property
    def expects(self) -> str:
        """The text that follows "must be"."""
        return "a list of strings" if isinstance(self.item, Text) else f"a list of {self.item.expects}"

    def parse(self, text: str) -> object:
        """An override's value: separated by commas, empty items dropped."""
        return [item for item in map(javascript.trim, text.split(",")) if item]

    def accept(self, value: object) -> object:
        """The value as Mistle sees it, a tuple. Raises InvalidValue."""
        if not isinstance(value, list):
            raise InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be {self.expects}")
        if not value:
            raise InvalidValue(causes.OUT_OF_RANGE, "is an empty list, must have at least 1 item")
        items = tuple(self._item(number, item) for number, item in enumerate(value, 1))
        if self.must_contain and self.must_contain not in items:
            raise InvalidValue(causes.NOT_ALLOWED, f'does not hold "{self.must_contain}", which Mistle requires')
        return items

    def _item(self, number: int, item: object) -> object:
        try:
            return self.item.accept(item)
        except InvalidValue as invalid:
            raise InvalidValue(invalid.cause, f"item {number} {invalid.message}") from None


@dataclass(frozen=True)
class Versioned(Text):
    """A string for each version number. One variable holds all as a JSON object, merged into the file's."""

    def parse(self, text: str) -> object:
        """An override's value: version → string."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidValue(causes.BAD_OVERRIDE, f"is not JSON, must be {_OBJECT}") from None
        if not isinstance(value, dict):
            raise InvalidValue(causes.BAD_OVERRIDE, f"is JSON but not an object, must be {_OBJECT}")
        if not all(isinstance(item, str) for item in value.values()):
            raise InvalidValue(causes.BAD_OVERRIDE, f"holds a value that is not a string, must be {_OBJECT}")
        return value


_OBJECT = 'a JSON object of strings, like {"1": "…"}'

Type = Text | Choice | Integer | Boolean | ListOf


def meant(type_: Type, value: object) -> object:
    """The value that is meant by a text in quotes: a boolean, a number, an item or a list; None if unknown."""
    if not isinstance(value, str) or isinstance(type_, Text):
        return None
    text = javascript.trim(value)
    try:
        accepted = type_.accept(type_.parse(text.lower() if isinstance(type_, Boolean | Choice) else text))
    except InvalidValue:
        return None
    return list(accepted) if isinstance(accepted, tuple) else accepted
