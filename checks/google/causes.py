"""The causes of findings about a Google OAuth client, and how Google's error replies map to them."""

from __future__ import annotations

from checks.core.finding import Layer, causes_in, permanent

CLIENT_REJECTED = permanent(
    "google.client-rejected",
    Layer.AUTH,
    "Google does not know the client, or not with this secret",
    "copy both from one client (type: web application) of console.cloud.google.com, APIs & Services, Credentials: "
    "{client_id}, {client_secret}",
    blames=("client_id", "client_secret"),
)
UNEXPECTED_REPLY = permanent(
    "google.unexpected-reply",
    Layer.AUTH,
    "what answers is not Google's token endpoint, or it neither accepts nor refuses the client",
    "make sure that no proxy answers in Google's place, and run this again; until then {blamed} are unproven",
    blames=("client_id", "client_secret"),
)
CAUSES = causes_in(globals())

# Error codes of RFC 6749 and of Google that are about the client, not about the authorization code.
REJECTED = ("invalid_client", "unauthorized_client", "deleted_client", "disabled_client")
# Parts of Google's error description, and the fields that each one is about.
_AT_FAULT = (
    ("not found", ("client_id",)),
    ("deleted", ("client_id",)),
    ("disabled", ("client_id",)),
    ("secret", ("client_secret",)),
    ("Unauthorized", ("client_secret",)),
)


def fields_at_fault(text: str) -> tuple[str, ...] | None:
    """The fields that Google's error text is about; both if it names neither."""
    return next((fields for part, fields in _AT_FAULT if part in text), CLIENT_REJECTED.blames)
