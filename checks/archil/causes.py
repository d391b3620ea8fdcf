"""The causes of findings about Archil."""

from __future__ import annotations

from checks.archil.regions import REGIONS
from checks.core.finding import Layer, Status, causes_in, permanent

UNKNOWN_REGION = permanent(
    "archil.unknown-region",
    Layer.CONFIG,
    "Archil's SDK knows no such region: persistent sandboxes do not start",
    f"use one of {', '.join(REGIONS)} in {{region}}",
    blames=("region",),
    status=Status.WARN,
)
KEY_REJECTED = permanent(
    "archil.key-rejected",
    Layer.AUTH,
    "Archil refuses the API key: persistent sandboxes do not start",
    "correct {api_key}: an API key of the account, from console.archil.com (not a disk token)",
    blames=("api_key",),
    status=Status.WARN,
)
UNEXPECTED_REPLY = permanent(
    "archil.unexpected-reply",
    Layer.AUTH,
    "what answers is not Archil's control plane, or Archil has an outage",
    "make sure that no proxy answers in Archil's place; otherwise wait for Archil, or use another region in {region}",
    blames=("region",),
    status=Status.WARN,
)
CAUSES = causes_in(globals())
