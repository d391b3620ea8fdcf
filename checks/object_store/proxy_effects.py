"""Recognizes a proxy in front of the store that changes or refuses requests, after the store has replied to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.finding import Diagnosed
from checks.net.http import Reply
from checks.net.proxies import REFUSED, FromProxy, proxy_of
from checks.object_store import causes
from checks.object_store.refusals import cause_of

if TYPE_CHECKING:
    from checks.object_store.responses import StoreError

_BLAMED = ("endpoint",)
_HINTS = {
    411: "let the proxy in front of {endpoint} forward the Content-Length of an upload",
    413: "raise the limit of request bodies at the proxy in front of {endpoint} (in nginx: client_max_body_size)",
}


def meaning_after_proof(refusal: StoreError, *, proven: bool) -> Exception | None:
    """The error that explains a refusal after the store has replied, and has accepted the keys if they are ``proven``.

    None if the refusal explains itself.
    """
    cause = cause_of(refusal)
    if cause is causes.NOT_S3:
        return forbidden_by_proxy(refusal)
    if cause is causes.SIGNATURE_MISMATCH and proven:
        message = f"{refusal.summary}; GetObject with the same keys was accepted before"
        return Diagnosed(causes.REQUEST_ALTERED.diagnosis(message))
    return None


def accepted_without_checksum(refusal: StoreError) -> Diagnosed:
    """The error that explains a refused upload, if the store accepts it without its checksum."""
    is_altered = cause_of(refusal) in {causes.SIGNATURE_MISMATCH, causes.REQUEST_ALTERED}
    cause = causes.REQUEST_ALTERED if is_altered else causes.CHECKSUM_REFUSED
    return Diagnosed(cause.diagnosis(f"{refusal.summary}; without its checksum it is accepted"))


def forbidden_by_proxy(refusal: StoreError) -> FromProxy:
    """The refusal of one operation by a proxy, not by the store."""
    method = refusal.operation.removesuffix("Object").upper()
    by = f", by {proxy}" if (proxy := proxy_of(Reply(refusal.status, refusal.headers, b""))) else ""
    hint = f"let the proxy or firewall in front of {{endpoint}} pass {method}, or name the store itself there"
    message = f"{refusal.summary}{by}; the store itself has replied to GetObject"
    return FromProxy(REFUSED.diagnosis(message, hint=_HINTS.get(refusal.status, hint), blames=_BLAMED))
