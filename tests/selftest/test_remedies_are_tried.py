"""Every id that has a remedy is named by a test that applies remedies, or by the test of the edits."""

from pathlib import Path

from preflight.reference.catalogue import entries

TESTS = Path(__file__).parents[1]


def test_every_remedy_is_applied_by_a_test() -> None:
    files = (*TESTS.glob("kinds/test_*_remedies.py"), TESTS / "config/test_edits.py")
    applied = "".join(file.read_text() for file in files)
    not_applied = [id_ for id_, entry in entries().items() if entry.remedies and f'"{id_}"' not in applied]
    assert not_applied == [], "apply it as it is printed, in tests/kinds/test_<kind>_remedies.py"
