"""HTTP servers that send a text of the test in the errors of their own API, at the step that a scene names.

The replies before that step are correct, so that the check gets there.
"""

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING

from tests.harness.answers import read_request

if TYPE_CHECKING:
    from tests.harness.descriptor import Family

TextOf = Callable[[bytes], str]
"""Makes the text from what the client has just sent."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)
    shows_token: bool = False

    @property
    def first_part(self) -> str:
        """The first part of the target: the address of each Mistle service has a path of its own."""
        return self.target.lstrip("/").partition("/")[0]


Answer = Callable[[Request, str], bytes]
"""The reply to a request, with a text in it."""


@dataclass
class RepeatedRequest:
    """A connection whose first request, which was read already, is read again."""

    connection: socket.socket
    raw: bytes

    def recv(self, size: int) -> bytes:
        raw, self.raw = self.raw, b""
        return raw or self.connection.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def services(
    families: Mapping[str, "Family"],
    scenes: Mapping[str, str],
    texts_of: Mapping[str, TextOf],
    token: str = "",
    hostile: Mapping[str, Callable[[socket.socket], object]] = MappingProxyType({}),
    prefix: str = "",
) -> Callable[[socket.socket], None]:
    """One port for all ``families`` over HTTP, with their scenes and texts; ``token`` is the valid service token.

    ``prefix`` is put before each target.
    A ``hostile`` family's behaviour gets the whole connection.
    """
    by_path = sorted(families.items(), key=lambda item: not item[1].path)  # the one without a pattern takes the rest

    def serve(connection: socket.socket) -> None:
        request = read(connection, token)
        request = replace(request, target=f"{prefix}{request.target}")
        name, family = next(each for each in by_path if re.search(each[1].path or "", request.target))
        if name in hostile:
            hostile[name](RepeatedRequest(connection, request.raw))  # type: ignore[arg-type]
            return
        text, answer = texts_of[name](request.raw), family.scenes.get(scenes[name])
        assert family.right, f"{name}: no right reply in the descriptor"
        connection.sendall((answer and answer(request, text)) or family.right(request))

    return serve


def read(connection: socket.socket, token: str = "") -> Request:
    """One request; its method is "" when the client has closed."""
    raw = read_request(connection)
    first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    method, target, *_ = [*first.split(" "), "", ""]
    shows = headers.get("x-mistle-service-token", "").encode("latin-1") == token.encode(errors="replace")
    return Request(method, target, headers, raw, shows)


def reply(status: int, body: object = "", kind: str = "text/plain", **headers: str) -> bytes:
    content = (body if isinstance(body, str) else json.dumps(body)).encode(errors="surrogatepass")
    named = {"content-type": kind, "content-length": str(len(content)), "connection": "close", **headers}
    lines = (f"{name.replace('_', '-')}: {inert(value)}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Status\r\n{''.join(lines)}\r\n".encode(errors="surrogatepass") + content


def inert(value: str) -> str:
    """The text without control characters, which could end a line."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", value).strip()


def api(status: int, body: object, **headers: str) -> bytes:
    return reply(status, body, "application/json", **headers)


def in_headers(status: int, _: Request, text: str) -> bytes:
    return reply(status, kind=f"text/plain; {text}", server=text, www_authenticate=text)


def redirect(_: Request, text: str) -> bytes:
    return reply(302, location=f"https://elsewhere.test/{text}")


def in_body(status: int, _: Request, text: str) -> bytes:
    return reply(status, text)


def in_json(status: int, body: Callable[[str], object], _: Request, text: str) -> bytes:
    return api(status, body(text))


def in_xml(status: int, code: str, _: Request, text: str) -> bytes:
    return xml(status, code, text)


def xml(status: int, code: str, text: str, **headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return reply(status, body, "application/xml", **headers)


def on(pattern: str, answer: Answer, member: bool | None = None) -> Answer:
    """This reply to requests for these targets; the correct one to all others."""

    def choose(request: Request, text: str) -> bytes:
        fits = re.search(pattern, request.target) and member in {None, request.shows_token}
        return answer(request, text) if fits else b""

    return choose


TITLES = {"control": "Mistle Control Plane API", "public": "Mistle Control Plane API"}
TITLES["data"] = "Mistle Data Plane Internal API"


def service(request: Request) -> bytes:
    if request.target.endswith("/__healthz") or (
        request.target.endswith("/v1/auth/ok") and request.first_part in {"control", "public"}
    ):
        cors = {"access_control_allow_origin": request.headers.get("origin", "*")}
        return api(200, {"ok": True}, access_control_allow_credentials="true", **cors)
    if request.target.endswith("/openapi.json") and request.first_part in TITLES:
        return document("1.4.0", request, TITLES[request.first_part])
    if "/internal/" in request.target and not request.shows_token:
        return refusal(401)
    if read := next((made for path, made in READ.items() if re.search(path, request.target)), None):
        return read
    state = api(200, {"ownerLeaseId": None, "attachment": None})
    return {"data": refusal(400), "gateway": state}.get(request.first_part, refusal(404))


def document(version: str, _: Request, title: str) -> bytes:
    return api(200, {"openapi": "3.1.0", "info": {"title": title, "version": version}})


def _release(request: Request, text: str) -> bytes:
    return document(text, request, TITLES.get(request.first_part, ""))


def refusal(status: int, code: str = "NO") -> bytes:
    return api(status, {"code": code})


READ = {
    "/integration-credentials/resolve$": refusal(404, "CONNECTION_NOT_FOUND"),
    "/get-sandbox-instance$": refusal(404, "INSTANCE_NOT_FOUND"),
    "/sandbox/instances/": api(200, None),
}
"""The replies of the APIs to what makes them read."""


_objects: dict[str, str] = {}


def bucket(request: Request) -> bytes:
    path = request.target.partition("?")[0]
    match request.method:
        case "PUT":
            _objects[path] = request.raw.partition(b"\r\n\r\n")[2].decode()
        case "DELETE":
            _objects.pop(path, None)
        case _ if path in _objects:
            return reply(200, _objects[path])
        case _:
            return xml(404, "NoSuchKey", "no")
    return reply(200)


def tunnel(request: Request) -> bytes:
    return reply(409 if re.search(MEMBER, request.target) else 401)


SERVICE: Mapping[str, Answer] = {
    "health redirects": on("healthz", redirect),
    "health is text": on("healthz", partial(in_headers, 200)),
    "health fails": on("healthz", partial(in_headers, 500)),
    "a proxy fails": on("healthz", partial(in_headers, 502)),
    "the title": on("openapi", partial(document, "1")),
    "the release": on("openapi", _release),
    "no document": on("openapi", partial(in_headers, 404)),
    "strangers refused": on("internal", partial(in_headers, 403), member=False),
    "the member refused": on("internal", partial(in_headers, 403), member=True),
    "the member fails": on("internal", partial(in_headers, 500), member=True),
    "a read fails": on("|".join(READ), partial(in_headers, 500), member=True),
    "a read is unknown": on("|".join(READ), partial(in_headers, 404), member=True),
    "the origin": on("healthz", lambda _, text: api(200, {"ok": True}, access_control_allow_origin=text)),
}
DASHBOARD: Mapping[str, Answer] = {
    "redirects": redirect,
    "no page": partial(in_headers, 404),
    "fails": partial(in_headers, 500),
    "one page alone": on("mistle-preflight", partial(in_headers, 404)),
}
STRANGER, MEMBER, EXCHANGE = r"^(?!.*(connect_token|/token-exchange$))", "connect_token", "/token-exchange$"
TUNNEL: Mapping[str, Answer] = {
    "strangers redirected": on(STRANGER, redirect),
    "strangers not upgraded": on(STRANGER, partial(in_headers, 426)),
    "strangers fail": on(STRANGER, partial(in_headers, 503)),
    "strangers get a page": on(STRANGER, partial(in_headers, 200)),
    "the member refused": on(MEMBER, lambda _, text: reply(403, server=text)),
    "the member fails": on(MEMBER, partial(in_headers, 500)),
    "the member gets a page": on(MEMBER, partial(in_headers, 418)),
    "an exchange refused": on(EXCHANGE, lambda _, text: api(401, {"error": text})),
    "an exchange redirected": on(EXCHANGE, redirect),
    "an exchange gets a page": on(EXCHANGE, partial(in_headers, 418)),
    "no exchange known": on(EXCHANGE, partial(in_headers, 404)),
}
CODES = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "QuotaExceeded", "NoSuchBucket", "SlowDown")
STORE: Mapping[str, Answer] = {
    **{code: partial(in_xml, 403, code) for code in (*CODES, "RequestTimeTooSkewed", "InvalidArgument")},
    "the code": lambda _, text: xml(403, escape(text), "no"),
    "no xml": partial(in_body, 403),
    "redirects": redirect,
    "the region": lambda _, text: xml(
        400, "AuthorizationHeaderMalformed", f"{text}; expecting 'eu-west-9'", x_amz_bucket_region=text
    ),
    "upload": lambda request, text: xml(403, "QuotaExceeded", text) if request.method == "PUT" else b"",
    "removal": lambda request, text: xml(403, "AccessDenied", text) if request.method == "DELETE" else b"",
}
