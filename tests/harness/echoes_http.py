"""Services that say what they were told to, in the errors of their own API: as deep in the climb as a scene has it.

Each family has its scenes, by name. What comes before the words is right, so that the climb gets there.
"""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from types import MappingProxyType

Saying = Callable[[bytes], str]
"""Makes the words of an answer from what the client has just sent."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)
    shows_token: bool = False

    @property
    def family(self) -> str:
        return next(family for family, pattern in PATHS if re.search(pattern, self.target))


Answer = Callable[[Request, str], bytes]
"""To a request, with words in it."""


@dataclass
class Heard:
    """A connection on which a request has been read, which comes again."""

    connection: socket.socket
    raw: bytes

    def recv(self, size: int) -> bytes:
        raw, self.raw = self.raw, b""
        return raw or self.connection.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def services(
    scenes: Mapping[str, str],
    sayings: Mapping[str, Saying],
    token: str = "",
    hostile: Mapping[str, Callable[[socket.socket], object]] = MappingProxyType({}),
) -> Callable[[socket.socket], None]:
    """One port for everything that is spoken over HTTP: scenes and sayings by family, and what tells a member.

    Of a ``hostile`` family that behaviour has the connection to itself.
    """

    def serve(connection: socket.socket) -> None:
        request = read(connection, token)
        if request.family in hostile:
            hostile[request.family](Heard(connection, request.raw))  # type: ignore[arg-type]
            return
        words = sayings[request.family](request.raw)
        answer = SCENES[request.family].get(scenes[request.family])
        connection.sendall((answer and answer(request, words)) or RIGHT[request.family](request))

    return serve


def read(connection: socket.socket, token: str = "") -> Request:
    """One request; of the method "" where nothing comes any more."""
    raw = b""
    while b"\r\n\r\n" not in raw and (more := connection.recv(65536)):
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)) and (more := connection.recv(65536)):
        raw, body = raw + more, body + more
    method, target, *_ = [*first.split(" "), "", ""]
    shows = headers.get("x-mistle-service-token", "").encode("latin-1") == token.encode(errors="replace")
    return Request(method, target, headers, raw, shows)


def reply(status: int, body: object = "", kind: str = "text/plain", **headers: str) -> bytes:
    content = (body if isinstance(body, str) else json.dumps(body)).encode(errors="surrogatepass")
    named = {"content-type": kind, "content-length": str(len(content)), "connection": "close", **headers}
    lines = (f"{name.replace('_', '-')}: {inert(value)}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Said\r\n{''.join(lines)}\r\n".encode(errors="surrogatepass") + content


def inert(value: str) -> str:
    """What a line may hold."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", value).strip()


def api(status: int, body: object, **headers: str) -> bytes:
    return reply(status, body, "application/json", **headers)


def _in_headers(status: int, _: Request, words: str) -> bytes:
    return reply(status, kind=f"text/plain; {words}", server=words, www_authenticate=words)


def _redirect(_: Request, words: str) -> bytes:
    return reply(302, location=f"https://elsewhere.test/{words}")


def _in_body(status: int, _: Request, words: str) -> bytes:
    return reply(status, words)


def _in_json(status: int, body: Callable[[str], object], _: Request, words: str) -> bytes:
    return api(status, body(words))


def _in_xml(status: int, code: str, _: Request, words: str) -> bytes:
    return _xml(status, code, words)


def _xml(status: int, code: str, words: str, **headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(words)}</Message></Error>"
    return reply(status, body, "application/xml", **headers)


def _on(pattern: str, answer: Answer, member: bool | None = None) -> Answer:
    """The answer to some requests; to the others the right one."""

    def choose(request: Request, words: str) -> bytes:
        fits = re.search(pattern, request.target) and member in {None, request.shows_token}
        return answer(request, words) if fits else b""

    return choose


TITLES = {"control": "Mistle Control Plane API", "public": "Mistle Control Plane API"}
TITLES["data"] = "Mistle Data Plane Internal API"


def _service(request: Request) -> bytes:
    if request.target.endswith("/__healthz"):
        cors = {"access_control_allow_origin": request.headers.get("origin", "*")}
        return api(200, {"ok": True}, access_control_allow_credentials="true", **cors)
    if request.target.endswith("/openapi.json") and request.family in TITLES:
        return _document("1.4.0", request, TITLES[request.family])
    if "/internal/" in request.target and not request.shows_token:
        return _refusal(401)
    state = api(200, {"ownerLeaseId": None, "attachment": None})
    return {"data": _refusal(400), "gateway": state}.get(request.family, _refusal(404))


def _document(version: str, _: Request, title: str) -> bytes:
    return api(200, {"openapi": "3.1.0", "info": {"title": title, "version": version}})


def _release(request: Request, words: str) -> bytes:
    return _document(words, request, TITLES.get(request.family, ""))


def _refusal(status: int) -> bytes:
    return api(status, {"code": "NO"})


_objects: dict[str, str] = {}


def _bucket(request: Request) -> bytes:
    path = request.target.partition("?")[0]
    match request.method:
        case "PUT":
            _objects[path] = request.raw.partition(b"\r\n\r\n")[2].decode()
        case "DELETE":
            _objects.pop(path, None)
        case _ if path in _objects:
            return reply(200, _objects[path])
        case _:
            return _xml(404, "NoSuchKey", "no")
    return reply(200)


def _tunnel(request: Request) -> bytes:
    return reply(409 if re.search(MEMBER, request.target) else 401)


def _google(request: Request) -> bytes:
    is_made_up = b"client_secret=mistle-preflight" in request.raw
    return api(401, {"error": "invalid_client"}) if is_made_up else api(400, {"error": "invalid_grant"})


SERVICE: Mapping[str, Answer] = {
    "health redirects": _on("healthz", _redirect),
    "health is words": _on("healthz", partial(_in_headers, 200)),
    "health fails": _on("healthz", partial(_in_headers, 500)),
    "a proxy fails": _on("healthz", partial(_in_headers, 502)),
    "the title": _on("openapi", partial(_document, "1")),
    "the release": _on("openapi", _release),
    "no document": _on("openapi", partial(_in_headers, 404)),
    "strangers refused": _on("internal", partial(_in_headers, 403), member=False),
    "the member refused": _on("internal", partial(_in_headers, 403), member=True),
    "the member fails": _on("internal", partial(_in_headers, 500), member=True),
    "the origin": _on("healthz", lambda _, words: api(200, {"ok": True}, access_control_allow_origin=words)),
}
DASHBOARD: Mapping[str, Answer] = {
    "redirects": _redirect,
    "no page": partial(_in_headers, 404),
    "fails": partial(_in_headers, 500),
    "one page alone": _on("mistle-preflight", partial(_in_headers, 404)),
}
STRANGER, MEMBER = r"^(?!.*connect_token)", "connect_token"
TUNNEL: Mapping[str, Answer] = {
    "strangers redirected": _on(STRANGER, _redirect),
    "strangers not upgraded": _on(STRANGER, partial(_in_headers, 426)),
    "strangers fail": _on(STRANGER, partial(_in_headers, 503)),
    "strangers get a page": _on(STRANGER, partial(_in_headers, 200)),
    "the member refused": _on(MEMBER, lambda _, words: reply(403, server=words)),
    "the member fails": _on(MEMBER, partial(_in_headers, 500)),
    "the member gets a page": _on(MEMBER, partial(_in_headers, 418)),
}
COLLECTOR: Mapping[str, Answer] = {
    **{f"status {status}": partial(_in_body, status) for status in (200, 400, 401, 404, 500)},
    "redirects": _redirect,
    "json": partial(_in_json, 403, lambda words: {"message": words}),
}
CODES = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "QuotaExceeded", "NoSuchBucket", "SlowDown")
STORE: Mapping[str, Answer] = {
    **{code: partial(_in_xml, 403, code) for code in (*CODES, "RequestTimeTooSkewed", "InvalidArgument")},
    "the code": lambda _, words: _xml(403, escape(words), "no"),
    "no xml": partial(_in_body, 403),
    "redirects": _redirect,
    "the region": lambda _, words: _xml(
        400, "AuthorizationHeaderMalformed", f"{words}; expecting 'eu-west-9'", x_amz_bucket_region=words
    ),
    "upload": lambda request, words: _xml(403, "QuotaExceeded", words) if request.method == "PUT" else b"",
    "removal": lambda request, words: _xml(403, "AccessDenied", words) if request.method == "DELETE" else b"",
}
E2B: Mapping[str, Answer] = {
    **{
        f"status {status}": partial(_in_json, status, lambda words, code=status: {"code": code, "message": words})
        for status in (401, 403, 429, 500)
    },
    "no words": partial(_in_headers, 400),
}
ARCHIL: Mapping[str, Answer] = {
    **{
        f"status {status}": partial(_in_json, status, lambda words: {"success": False, "error": words})
        for status in (401, 429, 500)
    },
    "no json": partial(_in_headers, 403),
}
GOOGLE: Mapping[str, Answer] = {
    **{
        code: partial(_in_json, 401, lambda words, code=code: {"error": code, "error_description": words})
        for code in ("invalid_client", "deleted_client", "redirect_uri_mismatch")
    },
    "the code": partial(_in_json, 400, lambda words: {"error": words}),
    "no json": partial(_in_headers, 403),
}

SCENES: Mapping[str, Mapping[str, Answer]] = {
    "control": SERVICE,
    "data": SERVICE,
    "gateway": SERVICE,
    "public": SERVICE,
    "dashboard": DASHBOARD,
    "tunnel": TUNNEL,
    "otlp": COLLECTOR,
    "e2b": E2B,
    "archil": ARCHIL,
    "google": GOOGLE,
    "store": STORE,
}
PATHS = (
    *((family, f"^/{family}(/|$)") for family in ("control", "data", "gateway", "public", "dashboard", "tunnel")),
    ("otlp", "^/v1/"),
    ("e2b", "^/templates/|^/v2/"),
    ("archil", "^/api/disks"),
    ("google", "^/token"),
    ("store", ""),
)
RIGHT: Mapping[str, Callable[[Request], bytes]] = {
    **dict.fromkeys(("control", "data", "gateway", "public"), _service),
    "dashboard": lambda _: reply(200, "<!doctype html>", "text/html"),
    "tunnel": _tunnel,
    "otlp": lambda _: api(200, {"partialSuccess": {}}),
    "e2b": lambda _: api(404, {"code": 404, "message": "template not found"}),
    "archil": lambda _: api(200, {"success": True, "data": []}),
    "google": _google,
    "store": _bucket,
}
