"""The descriptors of all kinds, collected from their test modules, and the tables of the attacks that they make up.

Test modules are imported by the name that pytest gives them (`consider_namespace_packages`): each is loaded once.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

import checks
from tests.harness.descriptor import Descriptor, Family, Target, WebCheck
from tests.harness.fault_rows import Row

KINDS = tuple(checks.ALL)


def _module(kind: str) -> str:
    return f"tests.kinds.test_{kind}"


def _descriptors() -> dict[str, Descriptor]:
    """By kind, in the order of the report; `tests/selftest/test_descriptors.py` fails for a kind without one."""
    modules = {kind: import_module(_module(kind)) for kind in KINDS if find_spec(_module(kind))}
    return {kind: module.DESCRIPTOR for kind, module in modules.items() if hasattr(module, "DESCRIPTOR")}


DESCRIPTORS: Mapping[str, Descriptor] = _descriptors()
_ALL = DESCRIPTORS.values()
ROWS: tuple[Row, ...] = tuple(row for each in _ALL for row in each.rows)
"""The rows of the fault matrix."""
TARGETS: Mapping[str, Target] = {name: target for each in _ALL for name, target in each.targets.items()}
FAMILIES: Mapping[str, Family] = {name: family for each in _ALL for name, family in each.families.items()}
SCENES = {name: tuple(family.scenes) for name, family in FAMILIES.items()}
STAGE_SETTINGS = {key: value for each in _ALL for key, value in each.settings.items()}
WEB_CHECKS: Mapping[str, WebCheck] = {name: visit for each in _ALL for name, visit in each.web_checks.items()}
WEB_SETTINGS = {key: value for each in _ALL for key, value in each.web_settings.items()}
CONNECTIONS = {row: healthy for each in _ALL for row, healthy in each.connections.items()}
