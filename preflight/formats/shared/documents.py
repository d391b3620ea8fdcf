"""Documents for machines."""

from __future__ import annotations

import json


def to_json(tree: object) -> str:
    """One document. JSON knows neither NaN nor Infinity: raises ValueError, for no document may hold one."""
    return json.dumps(tree, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
