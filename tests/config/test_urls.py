"""URLs are parsed as Node parses them; the reason of a refusal holds no part of the URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.config.urls import BadUrl, is_loopback, is_public, parse

READ = [  # text, scheme, username, password, host, port, path; confirmed with Node 20
    ("postgres://u:p@db:5433/mistle", "postgres", "u", "p", "db", 5433, "/mistle"),
    ("postgresql://u@db/mistle", "postgresql", "u", "", "db", 5432, "/mistle"),
    ("POSTGRES://DB/x", "postgres", "", "", "DB", 5432, "/x"),
    ("postgres://u%40x:p%2Fq%23%3A%25@db/m", "postgres", "u@x", "p/q#:%", "db", 5432, "/m"),
    ("postgres://u:p@ss@db/m", "postgres", "u", "p@ss", "db", 5432, "/m"),
    ("postgres://u:a:b@db/m", "postgres", "u", "a:b", "db", 5432, "/m"),
    ("postgres://u:@db/m", "postgres", "u", "", "db", 5432, "/m"),
    ("postgres://db", "postgres", "", "", "db", 5432, ""),
    ("postgres://[2001:DB8::1]:5433/m", "postgres", "", "", "2001:db8::1", 5433, "/m"),
    ("redis://:secret@kv", "redis", "", "secret", "kv", 6379, ""),
    ("rediss://user:secret@kv:/3", "rediss", "user", "secret", "kv", 6379, "/3"),
    ("http://API.example", "http", "", "", "api.example", 80, "/"),
    ("https://api.example:443/x/y", "https", "", "", "api.example", 443, "/x/y"),
    ("http://my_service:08080", "http", "", "", "my_service", 8080, "/"),
    ("http://bücher.example", "http", "", "", "xn--bcher-kva.example", 80, "/"),
    ("http://straße.example", "http", "", "", "xn--strae-oqa.example", 80, "/"),
    ("http://[::1]", "http", "", "", "::1", 80, "/"),
    ("http://10.0.0.5:8080", "http", "", "", "10.0.0.5", 8080, "/"),
    ("http://127.1", "http", "", "", "127.0.0.1", 80, "/"),
    ("http://1.2.3:80", "http", "", "", "1.2.0.3", 80, "/"),
    ("http://2130706433", "http", "", "", "127.0.0.1", 80, "/"),
    ("http://0x7F.0177.1", "http", "", "", "127.127.0.1", 80, "/"),
    ("http://%31.0x", "http", "", "", "1.0.0.0", 80, "/"),
    ("http://127.0.0.1.", "http", "", "", "127.0.0.1", 80, "/"),
    ("http://0xg", "http", "", "", "0xg", 80, "/"),
    ("redis://127.1", "redis", "", "", "127.1", 6379, ""),
    ("http://my\u00adservice\u200b:80", "http", "", "", "myservice", 80, "/"),
    ("http://xn--bcher-kva", "http", "", "", "xn--bcher-kva", 80, "/"),
    ("http://e\u0301", "http", "", "", "xn--9ca", 80, "/"),
    ("https://cdn.example/@scope/x", "https", "", "", "cdn.example", 443, "/@scope/x"),
    ("https://[::1]:8080/@scope", "https", "", "", "::1", 8080, "/@scope"),
    ("ws://gateway:8084/tunnel/sandbox", "ws", "", "", "gateway", 8084, "/tunnel/sandbox"),
    ("wss://gateway.example/tunnel", "wss", "", "", "gateway.example", 443, "/tunnel"),
    ("mysql://u:p@db/m", "mysql", "u", "p", "db", 0, "/m"),
]


@pytest.mark.parametrize(("text", "scheme", "username", "password", "host", "port", "path"), READ)
def test_url_is_read(text, scheme, username, password, host, port, path):
    url = parse(text)
    assert (url.scheme, url.username, url.password) == (scheme, username, password)
    assert (url.host, url.port, url.path) == (host, port, path)


BAD = [
    ("", "scheme and //"),
    ("db:5432/mistle", "scheme and //"),
    ("localhost:5432", "scheme and //"),
    ("https:app.example", "scheme and //"),
    ("postgres://", "no host"),
    ("postgres:///mistle", "no host"),
    ("redis://:sesame@:6379", "no host"),
    ("postgres://u:sesame@db:5432x/m", "port is not a number"),
    ("postgres://u:sesame@db:0/m", "1 to 65535"),
    ("postgres://u:sesame@db:65536/m", "1 to 65535"),
    ("postgres://u:sesame@db:" + "9" * 6000, "1 to 65535"),
    ("postgres://u:ses/ame@db/m", "%2F"),
    ("postgres://u:12/ame@db/m", "%2F"),
    ("postgres://u:ses#ame@db/m", "%23"),
    ("postgres://u:ses?ame@db/m", "%3F"),
    ("redis://:ses#ame@kv", "%23"),
    ("http://u:ses/ame@host/", "%2F"),
    ("postgres://u:ses%ame@db/m", "%25"),
    ("postgres://u:ses%zzame@db/m", "%25"),
    ("postgres://u:%ff@db/m", "UTF-8"),
    ("redis://u:sesame@h1:5432,h2:5432/1", "several hosts"),
    ("redis://u:sesame@h1,h2/1", "several hosts"),
    ("postgres://u:sesame@::1/m", "brackets"),
    ("postgres://u:sesame@[::1/m", "without its ]"),
    ("postgres://u:sesame@[::1]5432/m", "without its ]"),
    ("postgres://u:sesame@[::g]/m", "IPv6"),
    ("http://[fe80::1%25eth0]/", "IPv6"),
    ("http://256.1.1.1", "IPv4"),
    ("http://" + "é" * 300, "longer than 255 characters"),
    ("http://1.2.3.4.5", "IPv4"),
    ("http://1.2.65536", "IPv4"),
    ("http://4294967296", "IPv4"),
    ("http://08.1", "IPv4"),
    ("http://1..2", "IPv4"),
    ("http://sesame.0x1", "IPv4"),
    ("http://xn--", "no encoded name"),
    ("http://xn--99999999.example", "no encoded name"),
    ("http://xn--lsa.example", "accent without its letter"),
    ("http://sesame\u202e", "invisible character"),
    ("http://sesame\u200d.example", "invisible character"),
    ("http://${HOST}:80", "no host name has"),
    ("http://<host>:80", "no host name has"),
    ("postgres://u:sesame@bücher/m", "no host name has"),
    ("postgres://u:ses ame@db/m", "space"),
    ("postgres://u:sesame@db/m\n", "space"),
    ("https:\\\\app.example", "backslash"),
]


@pytest.mark.parametrize(("text", "expected"), BAD)
def test_bad_url_is_refused_with_a_reason(text, expected):
    with pytest.raises(BadUrl) as caught:
        parse(text)
    assert expected in caught.value.reason
    assert "ame" not in caught.value.reason.replace("name", "")


def test_query_is_read_as_pairs():
    url = parse("postgres://db/m?sslmode=require&options=-c%20x%3D1&empty=&flag#rest")
    assert url.pairs == (("sslmode", "require"), ("options", "-c x=1"), ("empty", ""), ("flag", ""))
    assert url.query == "sslmode=require&options=-c%20x%3D1&empty=&flag"


def test_password_is_not_in_the_repr():
    assert "sesame" not in repr(parse("postgres://u:sesame@db/m?password=sesame"))


@pytest.mark.parametrize(
    ("text", "origin", "address"),
    [
        ("https://app.example/x", "https://app.example", "app.example:443"),
        ("https://app.example:443", "https://app.example", "app.example:443"),
        ("http://localhost:3000/", "http://localhost:3000", "localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000", "[::1]:3000"),
    ],
)
def test_origin_and_address(text, origin, address):
    assert (parse(text).origin, parse(text).address) == (origin, address)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("s3.example.com", True),
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("example.com.", True),
        ("localhost", False),
        ("app.localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("gateway", False),
        ("gateway.", False),
        ("gateway.default.svc.cluster.local", False),
        ("host.docker.internal", False),
        ("nas.home.arpa", False),
    ],
)
def test_is_public(host, public):
    assert is_public(host) is public


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"]
)
def test_is_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "db", "example.com", "localhost.example.com"])
def test_is_not_loopback(host):
    assert not is_loopback(host)


@given(st.text() | st.from_regex(r"(postgres|https)://[^\s]*", fullmatch=True))
def test_parse_raises_nothing_but_bad_url(text):
    try:
        url = parse(text)
    except BadUrl:
        return
    assert url.host
    assert 0 <= url.port <= 65535
