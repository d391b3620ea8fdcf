"""Texts that a format would read as its own markup if it did not escape them; and servers that send back requests."""

import base64
import html
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import quote

WORDS: Mapping[str, str] = {
    "terminal title": "\x1b]0;owned\x07",
    "terminal colours": "\x1b[2J\x1b[31mREADY\x1b[0m",
    "eight-bit control sequence": "\x9b2J",
    "carriage return": "failed\rREADY",
    "line breaks": "one\ntwo\x0bthree\x85four\u2028five",
    "backspaces": "NOT READY\x08\x08\x08",
    "right to left": "\u202eydaer\u202c \u2066x\u2069",
    "nothing to see": "a\u200bb\u200dc\ufeffd\u00ade",
    "tags that nobody sees": "\U000e0041\U000e0042",
    "not a character": "\ufffe\uffff\U0001ffff",
    "half a character": "\ud800 \udfff",
    "NUL": "a\x00b",
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "end of the element": "]]></failure></testcase><testcase name='x'>",
    "entities": "&lt;b&gt; &#0; &#x1b; &amp;amp; &bogus;",
    "comment": "<!-- --> --> <!--",
    "processing instruction": "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>",
    "Markdown link": "[x](http://evil.test) ![x](http://evil.test/x.png) [x]: http://evil.test",
    "bare links": "http://evil.test www.evil.test me@evil.test",
    "mention": "@admin #1 evil/repo#2 :tada: $`x`$",
    "table": "a | b \\| c \\\\| d",
    "code fence": "``` ` `` ~~~",
    "hundred backticks": "`" * 100 + "<b>",
    "end of the folded part": "</details>\n\n# READY\n\n- x",
    "workflow command": "::error file=x,line=1::y",
    "stopped commands": "::stop-commands::x",
    "older command": "##[set-output name=x]y",
    "Azure and TeamCity": "##vso[task.complete result=Succeeded] ##teamcity[x]",
    "percent codes": "%0A%0D%25%3A%2C 100%",
    "properties": ",line=9,title=x::y",
    "another metric": 'x"} 1\nmistle_preflight_ready 1',
    "metric's comment": '\\"\\n# TYPE mistle_preflight_ready counter',
    "JSON": '"},{"ready":true',
    "format string": "{0} {finding} %s %(x)s ${x}",
    "very long": "x|`<" * 5000,
}

ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda secret: quote(secret, safe=""),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
    "HTML": html.escape,
    "XML": lambda secret: html.escape(secret, quote=False).replace('"', "&quot;"),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("=")[:-1],
    "after a user": lambda secret: base64.b64encode(f"\0mistle\0{secret}".encode()).decode().rstrip("=")[12:-1],
    "workflow data": lambda secret: secret.replace("%", "%25"),
    "workflow property": lambda secret: secret.replace("%", "%25").replace(":", "%3A").replace(",", "%2C"),
    "table cell": lambda secret: secret.replace("|", "\\|"),
    "metric label": lambda secret: secret.replace("\\", "\\\\").replace('"', '\\"'),
}


def greeting(text: str) -> Callable[[socket.socket], None]:
    """A mail server that refuses every client with this text."""
    line = b"554 " + text.encode(errors="surrogatepass").replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    return lambda connection: connection.sendall(line)


def parrot(connection: socket.socket) -> None:
    """A server of mail, Valkey and HTTP that refuses every request, with the request in its reply."""
    connection.settimeout(0.3)
    try:
        request = connection.recv(65536)
    except TimeoutError:
        _mail(connection)
        return
    while request:
        connection.sendall(_refusal(request))
        connection.settimeout(2)
        request = connection.recv(65536)


def _refusal(request: bytes) -> bytes:
    if request.startswith(b"*"):
        line = b" ".join(request.split(b"\r\n"))
        return b"-ERR refused: " + line + b"\r\n"
    body = json.dumps({"error": request.decode(errors="replace"), "message": request.hex()}).encode() + request
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _mail(connection: socket.socket) -> None:
    connection.sendall(b"220 mail ESMTP\r\n")
    connection.settimeout(2)
    while command := connection.recv(65536):
        if command.upper().startswith(b"EHLO"):
            connection.sendall(b"250-mail\r\n250 AUTH PLAIN\r\n")
            continue
        shown = command.strip()
        with suppress(ValueError):
            shown += b" which is " + base64.b64decode(shown.rpartition(b" ")[2]).replace(b"\0", b" ")
        connection.sendall(b"535 5.7.8 refused: " + shown + b"\r\n")
