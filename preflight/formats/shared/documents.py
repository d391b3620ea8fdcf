"""Documents for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.check import Finding


def finding_members(finding: Finding) -> dict[str, object]:
    """What every document says of a finding."""
    return {
        "id": finding.id,
        "layer": finding.layer,
        "status": str(finding.status),
        "message": finding.message,
        "hint": finding.hint,
        "keys": finding.fields,
    }


def to_json(tree: object) -> str:
    """One document. JSON knows neither NaN nor Infinity: raises ValueError, for no document may hold one."""
    return json.dumps(tree, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
