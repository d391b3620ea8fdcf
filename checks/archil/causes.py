"""The causes of findings about Archil."""

from __future__ import annotations

from checks.archil.regions import REGIONS
from checks.core.check import Cause, Layer, causes_in

UNKNOWN_REGION = Cause(
    "archil.unknown-region",
    Layer.CONFIG,
    "Archil's SDK knows no such region",
    f"use one of {', '.join(REGIONS)} in {{region}}",
    blames=("region",),
)
KEY_REJECTED = Cause(
    "archil.key-rejected",
    Layer.AUTH,
    "Archil refuses the API key",
    "correct {api_key}: an API key of the account, from console.archil.com (not a disk token)",
    blames=("api_key",),
)
UNEXPECTED_REPLY = Cause(
    "archil.unexpected-reply",
    Layer.AUTH,
    "what answers is not Archil's control plane, or Archil has an outage",
    "make sure that no proxy answers in Archil's place; otherwise wait for Archil, or use another region in {region}",
    blames=("region",),
)
CAUSES = causes_in(globals())
