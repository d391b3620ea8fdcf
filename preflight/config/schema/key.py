"""One key of the schema: its path, what it is for, its type, its variable, and when Mistle requires it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from preflight.config.schema.conditions import ALWAYS, Requirement
from preflight.config.schema.types import Text, Type

TEXT = Text()


class Secrecy(Enum):
    """Who made the secret. Only those that the operator made for Mistle (CHOSEN) are checked for strength."""

    NONE = "none"
    ISSUED = "issued"
    CHOSEN = "chosen"


@dataclass(frozen=True)
class Key:
    """One key. ``about``: a sentence on what it is for, which editors show. ``variable`` overrides the file;
    ``default`` applies if the key is not set.
    """

    path: str
    about: str
    type: Type = TEXT
    required: Requirement = ALWAYS
    secrecy: Secrecy = Secrecy.NONE
    default: object = None
    variable: str = ""

    def __post_init__(self) -> None:
        if not self.variable:
            object.__setattr__(self, "variable", "MISTLE_" + self.path.upper().replace(".", "_"))

    @property
    def section(self) -> str:
        """The table that holds the key."""
        return self.path.rpartition(".")[0]

    @property
    def url(self) -> bool:
        """Whether Mistle uses the value as a URL."""
        return isinstance(self.type, Text) and bool(self.type.schemes)
