"""Strategies for configurations whose every resource is on this machine, without a server."""

from hypothesis import strategies as st

from preflight.config.schema.key import Key
from preflight.config.schema.types import ListOf, Text
from preflight.config.tree import Path, with_value
from tests.fuzz.changes import KEYS, MARKS, marked
from tests.fuzz.secrets import mark
from tests.fuzz.values import Values, likely, urls
from tests.fuzz.written import toml
from tests.harness.configs import VALID

HOSTS = st.sampled_from(["127.0.0.1", "[::1]", "localhost", "LOCALHOST", "127.0.0.2"])
PORTS = st.sampled_from([":1", ":9", ":65535", ":00080"])
_QUERIES = (
    "sslmode=require sslmode=prefer sslmode=verify-full&sslrootcert=/x options=-c%20x%3D1&max=1e9&connect_timeout=-1"
)
TAILS = st.sampled_from(
    ["", "/", "/control", "/0", "/15", "/%2F..", "/a/../b", "/é", "/tunnel/sandbox", "/x?" + "a=b&" * 200]
    + [f"/db?{query}" for query in _QUERIES.split()]
)
ELSEWHERE = {"sandbox.provider", "sandbox.storage.backend", "services.control_plane_api.auth.enabled_methods"}
HERE = {
    "email.smtp.host": st.sampled_from(["127.0.0.1", "::1", "localhost"]),
    "sandbox.docker.socket_path": st.sampled_from(
        ["/no/such/socket", "/dev/null", "/", "x" * 200, "\0", "é", "unix:///x"]
    ),
    "sandbox.publish_base_domain": st.sampled_from(["localhost", "x.localhost", "127.0.0.1"]),
    "object_store.assets.endpoint": urls(
        mark(0), st.sampled_from(["http", "https"]), st.just("127.0.0.1"), PORTS, TAILS
    ),
}


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A configuration as TOML, with many values replaced by likely ones."""
    paths = [path for path in KEYS if ".".join(path) in VALID.keys() - ELSEWHERE | HERE.keys()]
    fixed = [path for path in paths if KEYS[path].url or ".".join(path) in HERE]
    free = draw(st.lists(st.sampled_from([path for path in paths if path not in fixed]), max_size=12))
    tree = marked(VALID)
    for path in (*fixed, *free):
        tree = with_value(tree, path, draw(_value(path, KEYS[path])))
    return toml(tree)


def _value(path: Path, key: Key) -> Values:
    here = HERE.get(".".join(path))
    if here is not None:
        return here
    match key.type:
        case Text(schemes=(_, *_) as schemes):
            return urls(MARKS[path], st.sampled_from(schemes), HOSTS, PORTS, TAILS)
        case ListOf():
            return st.lists(urls(MARKS[path], st.just("http"), HOSTS, PORTS, TAILS), min_size=1, max_size=3)
    return likely(key, MARKS[path])
