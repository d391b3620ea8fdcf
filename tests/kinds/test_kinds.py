"""The table of kinds, and what must hold for every kind."""

from collections import Counter

import checks
from checks.net import network_errors, proxies, tls_errors
from checks.net.tcp import FAR


def test_table_names_each_class_by_its_kind() -> None:
    assert {kind: checks.load(kind).kind for kind in checks.ALL} == {kind: kind for kind in checks.ALL}


def test_no_cause_belongs_to_two_kinds() -> None:
    """``causes_in`` would also collect a cause that a module imports from another. Distance matters to two kinds."""
    shared = (*network_errors.CAUSES, *tls_errors.CAUSES, *proxies.CAUSES)
    causes = [*shared, *(each for kind in checks.load_all() for each in kind.causes)]
    assert {
        id_: count for id_, count in Counter(cause.id for cause in causes if cause is not FAR).items() if count > 1
    } == {}
