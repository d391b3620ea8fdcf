"""What can be wrong with a Google client, and how Google says so."""

from __future__ import annotations

from checks.core.check import Cause, Layer, causes_in

CLIENT_REJECTED = Cause(
    "google.client-rejected",
    Layer.AUTH,
    "Google does not know the client, or not with this secret",
    "copy both anew from one client (type: web application) of console.cloud.google.com, APIs & Services, Credentials: "
    "{client_id}, {client_secret}",
    blames=("client_id", "client_secret"),
)
UNEXPECTED_REPLY = Cause(
    "google.unexpected-reply",
    Layer.AUTH,
    "what answers is not Google's token endpoint, or it says neither yes nor no to the client",
    "make sure that no proxy answers in Google's place, and run this again; until then {blamed} are unproven",
    blames=("client_id", "client_secret"),
)
CAUSES = causes_in(globals())

# Errors of RFC 6749 and of Google's own that concern the client, whatever the code is worth.
REJECTED = ("invalid_client", "unauthorized_client", "deleted_client", "disabled_client")
# Google's words say what of the client it stopped at.
_AT_FAULT = (
    ("not found", ("client_id",)),
    ("deleted", ("client_id",)),
    ("disabled", ("client_id",)),
    ("secret", ("client_secret",)),
    ("Unauthorized", ("client_secret",)),
)


def at_fault(words: str) -> tuple[str, ...] | None:
    """The fields that Google's words are about; both where they do not say."""
    return next((fields for word, fields in _AT_FAULT if word in words), CLIENT_REJECTED.blames)
