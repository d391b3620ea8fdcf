"""How far away a server is: the round trip of a connection to it, as the kernel measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.check import Cause, Layer, Status
from checks.core.waits import ROUND_TRIP

if TYPE_CHECKING:
    from checks.core.recorder import Recorder

_NEAR = 25.0  # milliseconds: a request with four round trips takes a tenth of a second longer

FAR = Cause(
    "network.far",
    Layer.FITNESS,
    "the server is more than 25 ms away (round trip, measured by the kernel), and Mistle makes several round trips "
    "to it for each request",
    "run Mistle's services in the region of the server that {blamed} names, or name a server in theirs; "
    "if this machine is not where they run, run this where they do",
    status=Status.WARN,
    heals=False,
)


def note_round_trip(record: Recorder) -> None:
    """Keep the shortest round trip of the connections so far as a fact of the check."""
    if record.waits.round_trip is not None:
        record.facts[ROUND_TRIP] = round(record.waits.round_trip * 1e3, 3)


def note_if_far(record: Recorder, fields: tuple[str, ...] = ("url",)) -> None:
    """Warn if the server is too far away for what Mistle does with it."""
    milliseconds = record.facts.get(ROUND_TRIP)
    if isinstance(milliseconds, float) and milliseconds > _NEAR:
        record.note(FAR.diagnosis(f"a round trip to the server takes {milliseconds:.0f} ms", blames=fields))
