"""Strategies for values of no key, and for values that are nearly valid."""

from hypothesis import strategies as st

from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Type
from preflight.config.urls import DEFAULT_PORTS
from tests.harness.configs import Raw

# ruff: noqa: RUF001, RUF005, SIM905 - letters that look like others are intended; long tables as words

_PLAIN = "é 😀 ﬁ \ud7ff … '\"\\ {} ${X} <x> changeme true TRUE 0 -1 1e3 0x10 null [] \x1b[31m \u202e \x7f \0".split()
WORDS = st.text(max_size=30) | st.sampled_from(["", " ", "\u00a0\ufeff", "a\nb\r\nc", "{{ x }}", "9" * 400, *_PLAIN])
PARTS = ["a", "é", "\t", "%41", "://", ":@", "a.", "[", "${", "%"]
TEXTS = st.one_of(WORDS, WORDS, WORDS, st.builds(str.__mul__, st.sampled_from(PARTS), st.integers(1, 3000)))
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, 65535, 65536, 2**53 - 1, 2**53, 10**300]),
    st.sampled_from(["0x" + "f" * 5000, "1_000", "0o17", "-0", "1e400", "9" * 5000]).map(Raw),
)
DATES = ["2026-11-23", "07:32:00", "2026-11-23T10:00:00Z", "1979-05-27 07:32:00.999999-07:00", "2026-02-30"]
SCALARS = st.one_of(TEXTS, st.booleans(), NUMBERS, st.sampled_from(DATES).map(Raw))
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
DEEP = st.builds(
    lambda depth, sides: Raw(sides[0] * depth + sides[1] * depth),
    st.integers(1, 1500),
    st.sampled_from(["[]", ("{a=", "}")]),
)
VALUES = st.one_of(SCALARS, SCALARS, NESTED, DEEP)

SCHEMES = st.sampled_from([*DEFAULT_PORTS, "HTTPS", "mysql", "file", "javascript", "", "1", "x-é"])
HOSTS = WORDS | st.sampled_from(
    ["", "\u00ad", "é" * 70, "a" * 64, "a." * 130, "[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]", "127.0.0.1"]
    + ". .. a..b -a- _ xn-- xn--bcher-kva bücher.example ﬁ。example %41 %zz h1,h2 [ ] [] 1. ８.8.8.8 10.1".split()
    + "0x7f.1 256.1.1.1 mistle.example db localhost. host.docker.internal".split()
)
PORTS = st.integers().map(":{}".format) | st.sampled_from(
    ["", "", "", ":", ":1", ":65535", ":65536", ":0", ":00080", ":-1", ":é", ":٣", ":" + "9" * 5000]
)
_QUERIES = """
sslmode=require sslmode=verify-full&sslrootcert=/x sslmode=&ssl=&ssl=1 %00=%ff&=&& host=/tmp&port=1
options=-c%20x%3D1&max=1e9&connect_timeout=-1
"""
TAILS = TEXTS | st.sampled_from(
    ["", "/a b", "/" + "9" * 5000, "/x?" + "a=b&" * 200, *(f"/db?{query}" for query in _QUERIES.split())]
    + "/ // /control /0 /15 /٣ /%00 /%2F.. /a/../b /é /a?b#c /tunnel/sandbox".split()
)
USERS = st.sampled_from(["", "mistle", "m%40x", "é", "%", "%zz"])
AROUND = st.sampled_from(
    [("", ""), ("p%2F", "%3A"), ("p@", ""), ("", "/"), ("é", "é"), ("%", ""), ("a:", "#"), (" ", "")]
)

Values = st.SearchStrategy[object]
Texts = st.SearchStrategy[str]


def urls(
    word: str, schemes: Texts = SCHEMES, hosts: Texts = HOSTS, ports: Texts = PORTS, tails: Texts = TAILS
) -> Texts:
    """URLs, also invalid ones, with ``word`` as their password."""
    logins = st.builds(lambda user, around: f"{user}:{around[0]}{word}{around[1]}@", USERS, AROUND)
    return st.one_of(
        st.builds("{}://{}{}{}{}".format, schemes, logins | st.sampled_from(["", "@", "mistle@"]), hosts, ports, tails),
        st.builds("{}://{}{}/db?password={}".format, schemes, hosts, ports, st.just(word)),
    )


def likely(key: Key, word: str) -> Values:
    """Values of the key's type; a secret, or a URL's password, is or holds ``word``."""
    if key.secrecy is not Secrecy.NONE and not key.url:
        return TEXTS.map(lambda text: text + word)
    return _of(key.type, word)


def _of(type_: Type, word: str) -> Values:
    match type_:
        case Text(schemes=()):
            return TEXTS
        case Text(schemes=schemes):
            return urls(word, st.sampled_from(schemes))
        case Choice(allowed=words):
            return st.sampled_from(words)
        case Boolean():
            return st.booleans()
        case Integer(minimum=least, maximum=most):
            return st.integers(least, most)
        case ListOf(item=item):
            return st.lists(_of(item, word) | urls(word, st.sampled_from(["http", "https"])), max_size=4)
    raise AssertionError(type_)
