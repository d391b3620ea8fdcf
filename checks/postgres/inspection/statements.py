"""The statements that query the state of a Postgres. They write nothing.

All facts come in one message. A server refuses a message as a whole, so where it refuses one fact, each is asked alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checks.postgres.inspection.facts import DEFAULTS, FACTS, MAX_VERSIONS, PART_SIZE, TABLES

SCHEMA_ENDINGS = ("", "_meta", "_openworkflow")  # of the names of a plane's schemas
_MAX_TIMEOUT = 2**31 - 1  # milliseconds: the largest statement_timeout
_BEGIN = """begin read only;
set local statement_timeout = {limit};
set local lock_timeout = 1000;
set local search_path = pg_catalog, pg_temp;
"""


class Statements:
    """The messages of the simple query protocol; ``limit`` of each in seconds.

    ``migrators``: the roles that run the migrations, where another role works with their tables.
    """

    def __init__(self, planes: tuple[str, ...], migrators: tuple[str, ...], limit: float) -> None:
        names = ", ".join(f"'{plane}{ending}'" for plane in planes for ending in SCHEMA_ENDINGS)
        schemas = f"array[{names}]"
        self._values = {
            "schemas": schemas,
            "tables": TABLES.format(schemas=schemas),
            "defaults": DEFAULTS.format(schemas=schemas),
            "migrators": f"array[{', '.join(map(_literal, migrators))}]::text[]",
            "credentials": str("control_plane" in planes).lower(),
            "size": PART_SIZE,
            "max_versions": MAX_VERSIONS,
        }
        self._begin = _BEGIN.format(limit=max(1, min(int(limit * 1000), _MAX_TIMEOUT)))

    def together(self, names: Iterable[str] = FACTS) -> str:
        """These facts in one message, whose result is one JSON object."""
        pairs = ", ".join(f"'{name}', ({self._text(name)})" for name in names)
        return f"{self._begin}select json_build_object({pairs});\nrollback"

    def each(self) -> Iterator[tuple[str, str]]:
        """The name of each fact, and the message whose result is its JSON."""
        for name in FACTS:
            yield name, f"{self._begin}select to_json(({self._text(name)}));\nrollback"

    def _text(self, name: str) -> str:
        return FACTS[name].format(**self._values)


def _literal(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"
