"""The clock skew: how far this machine's clock is from a server's, by the header ``Date`` of a reply."""

from __future__ import annotations

from datetime import UTC, datetime

AHEAD = "clock_ahead_seconds"
"""A fact of a check: by how much this machine's clock is ahead of the server's. Absent where they nearly agree."""
_NEAR = 60.0  # seconds: a header Date is of whole seconds, and a slow reply is older


def seconds_behind(date: str) -> float | None:
    """Seconds by which this machine's clock is behind a header ``Date``; negative when it is ahead, None if unknown."""
    from email.utils import parsedate_to_datetime  # not at the top: a run without a header Date does not need it

    try:
        sent = parsedate_to_datetime(date)
        return ((sent if sent.tzinfo else sent.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None


def skew_fact(date: str) -> dict[str, object]:
    """The fact, if the clocks differ by more than a minute."""
    behind = seconds_behind(date)
    return {} if behind is None or abs(behind) < _NEAR else {AHEAD: -round(behind)}
