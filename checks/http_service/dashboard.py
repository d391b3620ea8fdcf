"""The dashboard's page: whether it is Mistle's, and for which origin of the API it was built."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from checks.core.finding import Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import bracketed, foreign
from checks.http_service import causes
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, UnexpectedReply, request

SAME_ORIGIN = "same-origin"  # a build for this calls the API at the origin of its own page
_NAME = "Mistle Dashboard"  # the title of every release's page
_RUNTIME_CONFIG = "runtime-config.js"  # some releases load their configuration from it; it wins over the build's
_REQUESTS = 8  # at most, for the page's scripts
_PART, _OVERLAP = 768 * 1024, 1024  # bytes of one request: a script may be larger than what a connection may receive
_PARTIAL = 206
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{0,400})", re.IGNORECASE)
_SOURCE = re.compile(
    rb"""<(?:script|link)\b[^>]{0,400}?\b(?:src|href)=["']?([\w./~%@+-]{1,200}\.m?js)\b""", re.IGNORECASE
)
# Vite leaves the names of its variables in a build, and puts the value in place of `import.meta.env.…`.
_MARK = re.compile(rb"VITE_CONTROL_PLANE_API_ORIGIN|__MISTLE_RUNTIME_CONFIG__")
_ORIGIN = re.compile(
    rb"""(?:VITE_CONTROL_PLANE_API_ORIGIN|controlPlaneApiOrigin)["']?\s{0,20}:\s{0,20}(["'`])([^"'`\s]{1,300})\1"""
)


async def api_origin(record: Recorder, endpoint: Endpoint, page: Reply) -> str:
    """The origin of the API that the page calls; "" if its scripts do not tell. Raises UnexpectedReply if the page is
    not Mistle's, or cannot load its scripts.
    """
    if page.headers.get("content-encoding", "identity") != "identity":
        record.skip(Layer.AUTH, "whether it is Mistle's is not proven: the page is encoded", ("url",))
        return ""
    title = _TITLE.search(page.body)
    is_mistles = title is not None and _text(title[1]) == _NAME
    async for script, reply in _parts(record, _scripts(endpoint, page)):
        if is_mistles and reply.status == 200 and reply.is_html:
            message = f"its script {foreign(script.path, 80)} answers with a page, which browsers refuse as a script"
            raise UnexpectedReply(causes.NOT_THE_DASHBOARD, message, Status.FAIL)
        is_mistles = is_mistles or bool(_MARK.search(reply.body))
        if found := _ORIGIN.search(reply.body):
            return _normal(endpoint, _text(found[2]))
    if not is_mistles:
        shown = f'the title "{foreign(_text(title[1]), 80)}"' if title else "no title"
        message = f"""the page has {shown}, not "{_NAME}", and no script of it is Mistle's"""
        raise UnexpectedReply(causes.NOT_MISTLE, message)
    return ""


def mismatch(endpoint: Endpoint, configured: str, built: str, *, works: bool) -> Diagnosis | None:
    """The page calls another origin than the configuration names: a warning if it ``works``."""
    if not configured or built in ("", _normal(endpoint, configured)):
        return None
    message = f"the dashboard was built for the API at {foreign(built, 120)}, not for {configured}"
    harmless = "; the API answers there, so the pages work"
    status = Status.WARN if works else Status.FAIL
    return causes.OTHER_API.diagnosis(message + (harmless if works else ""), status=status)


def is_own_origin(endpoint: Endpoint, called: str) -> bool:
    """Whether pages that call this origin call their own."""
    return _normal(endpoint, called) == _normal(endpoint, SAME_ORIGIN)


def _scripts(endpoint: Endpoint, page: Reply) -> Iterator[Endpoint]:
    """The page's scripts on its own server, the one with the configuration first."""
    sources = dict.fromkeys(_text(source) for source in _SOURCE.findall(page.body) if not source.startswith(b"//"))
    for source in sorted(sources, key=lambda source: not source.endswith(_RUNTIME_CONFIG)):
        yield replace(endpoint, path=urljoin(endpoint.path, source))


async def _parts(record: Recorder, scripts: Iterator[Endpoint]) -> AsyncIterator[tuple[Endpoint, Reply]]:
    """Each script with its replies: one for each part if the server sends parts, else one with its beginning."""
    script, start = next(scripts, None), 0
    for _ in range(_REQUESTS):
        if not script:
            return
        part = {"range": f"bytes={start}-{start + _PART - 1}"}
        reply = await request(record, "GET", script, headers=part, max_bytes=_PART)
        yield script, reply
        start += _PART - _OVERLAP
        if reply.status != _PARTIAL or len(reply.body) < _PART:
            script, start = next(scripts, None), 0


def _normal(endpoint: Endpoint, origin: str) -> str:
    """The origin as the page makes it: ``new URL(…).origin``."""
    scheme, host, port = endpoint.scheme, endpoint.host, endpoint.port
    if origin != SAME_ORIGIN:
        try:
            url = urlsplit(origin)
            scheme, host, port = url.scheme, url.hostname or "", url.port or _DEFAULT.get(url.scheme, 0)
        except ValueError:
            return origin
    return f"{scheme}://{bracketed(host)}" + ("" if port == _DEFAULT.get(scheme) else f":{port}")


_DEFAULT = {"http": 80, "https": 443}


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").strip()
