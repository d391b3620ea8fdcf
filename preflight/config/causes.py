"""The causes of the findings about a configuration.

In a hint, ``{blamed}`` stands for the blamed keys, each with its origin: ``sandbox.provider in mistle.toml:12``, or the
name of the variable that overrides the file.
"""

from __future__ import annotations

from dataclasses import replace

from checks.core import remedy
from checks.core.finding import Cause, Layer, Status, causes_in, permanent


def _cause(  # noqa: PLR0913 - a cause's fields
    name: str,
    means: str,
    hint: str,
    status: Status = Status.FAIL,
    *,
    former: tuple[str, ...] = (),
    edit: str = "",
) -> Cause:
    """``edit``: the right line, as far as it is known."""
    cause = permanent(f"config.{name}", Layer.CONFIG, means, hint, status=status, former=former)
    return replace(cause, remedies=remedy.line("edit", "mistle.toml:…", edit))


_OF_TYPES = ("config.wrong-type", "config.not-allowed", "config.bad-override", "config.malformed-url")


# No check is made with the value of a key that one of these blames.
MISSING = _cause("missing", "a key that Mistle requires is not set", "set {blamed}")
WRONG_TYPE = _cause(
    "wrong-type",
    "the value has another type than Mistle expects; Mistle converts nothing",
    "change the type of {blamed}",
    edit="… = …",
)
OUT_OF_RANGE = _cause(
    "out-of-range", "the number, or the length of the list, is outside its limits", "correct {blamed}"
)
BLANK = _cause("blank", "the text is empty, or holds nothing but spaces", "give {blamed} a value, or remove it")
NOT_ALLOWED = _cause(
    "not-allowed", "the value is not one of those that Mistle accepts", "correct {blamed}", edit="… = …"
)
MALFORMED_URL = _cause(
    "malformed-url",
    "the value is not a valid URL; Mistle itself would only notice when it uses it",
    "correct {blamed}",
)
WRONG_SCHEME = _cause(
    "wrong-scheme",
    "the URL begins with a scheme that its client does not support",
    "correct {blamed}",
    edit="… = …",
)
PLACEHOLDER = _cause(
    "placeholder",
    "the value is still a placeholder from a sample or a template",
    "put the real value into {blamed}",
)
UNRESOLVED_REFERENCE = _cause(
    "unresolved-reference",
    "the value is a reference to a variable, a file or a secret store, and nothing replaced it: Mistle uses the text "
    "as it is",
    "put the value itself into {blamed}, or have the reference replaced before Mistle starts",
    former=("config.placeholder", "config.wrong-scheme", *_OF_TYPES),
)
NO_VALUE = _cause(
    "no-value",
    "the value is null, undefined or a similar word, which a program writes where it has no value",
    "put the real value into {blamed}, or remove it",
    former=("config.placeholder", *_OF_TYPES),
)
QUOTED = _cause(
    "quoted",
    "the value has quotes of its own: a second pair in TOML, or those of an env file that docker run reads as it is",
    "remove the quotes inside {blamed}",
    former=_OF_TYPES,
)
LINE_BREAK = _cause(
    "line-break",
    "the value holds a line break, as base64 and openssl write into long output",
    "write {blamed} on one line",
    former=("config.malformed-url",),
)
NOT_A_HOST = _cause(
    "not-a-host",
    "the value must be a host name alone, but holds a scheme, a port, a path or a wildcard",
    "write only the host name into {blamed}",
    former=("network.name-not-found", "publish.no-wildcard"),
)
NOT_A_PATH = _cause(
    "not-a-path",
    "the value must be the path of a file on this machine as the system knows it: no ~, no URL, no Windows pipe",
    "write the whole path into {blamed}",
    former=("docker.socket-missing", "postgres.roots-unreadable"),
)
BAD_OVERRIDE = _cause(
    "bad-override",
    "the variable's text cannot be read as the boolean, number, list or JSON object that the key needs",
    "correct {blamed}, or unset it",
    edit="… = …",
)
BLANK_OVERRIDE = _cause(
    "blank-override",
    "the variable is set but blank; Mistle takes that as a value, which replaces the file's and is not valid",
    "give {blamed} a value, or unset it",
)
SINGLE_CONTAINER = _cause(
    "single-container",
    "the variables are those of the single container: its processes read a file that it writes from them",
    "run this in the container, with --config /run/mistle/config.toml",
    former=(MISSING.id, BLANK_OVERRIDE.id),
)
BREAKING = causes_in(globals())

# Checks are made in spite of the others.
UNKNOWN_KEY = replace(
    _cause("unknown-key", "Mistle has no such key, and refuses a file that holds one", "correct or remove {blamed}"),
    remedies=(remedy.Remedy("shell", "in the directory of mistle.toml", "sed -i.bak …s/…/…/ -- mistle.toml"),),
)
OTHER_SHAPE = _cause(
    "other-shape",
    "the configuration has the shape of an older or a newer Mistle than the one that this tool knows",
    "check it with a mistle-preflight that knows your Mistle; if yours is the one that this tool knows, write the "
    "configuration in its shape",
    former=(UNKNOWN_KEY.id, MISSING.id),
)
ONLY_IN_ENVIRONMENT = _cause(
    "only-in-environment",
    "only a variable supplies a required key, but Mistle validates the file on its own before it reads variables",
    "give the key a value in the file too: {blamed} still wins over it",
    Status.WARN,
)
UNKNOWN_OVERRIDE = _cause(
    "unknown-override",
    "the variable looks like an override, but Mistle ignores it: a misspelt name, or one of an older Mistle",
    "rename the variable, or unset it",
    Status.WARN,
)
ACTIVE_KEY_MISSING = _cause(
    "active-key-missing",
    "the active master key version is not among the master encryption keys",
    "set {blamed} to one of the configured versions, or add that key",
    edit="active_master_encryption_key_version = …",
)
PROVIDER_STORAGE_MISMATCH = _cause(
    "provider-storage-mismatch",
    "the sandbox provider cannot use this storage: Mistle refuses to start persistent sandboxes; others work",
    "to use persistent sandboxes, correct {blamed}: docker works with docker_volume, e2b with archil",
    Status.WARN,
)
DROPPED_PATH = _cause(
    "dropped-path",
    "Mistle's client drops the path and query of this URL, and calls the service at the root: a prefix of a proxy "
    "cannot work",
    "give the service a host or port of its own, and remove the path from {blamed}",
    former=(MALFORMED_URL.id,),
)
IGNORED_QUERY = _cause(
    "ignored-query",
    "Mistle's client ignores the query of a Valkey URL",
    "write the database as the path, as in redis://host:6379/1, and remove the query from {blamed}",
    Status.WARN,
)
REFUSED_PORT = _cause(
    "refused-port",
    "the port is one of those that browsers and Node's fetch refuse (the Fetch standard's bad ports)",
    "publish the service on another port, and write it into {blamed}",
)
NOT_PUBLIC = _cause(
    "not-public",
    "this address must be reachable from outside, but it is loopback, private or a name of the local network",
    "put an address that is reachable from the internet into {blamed}",
)
SANDBOX_LOOPBACK = _cause(
    "sandbox-loopback",
    "the sandboxes of Docker connect to this address, but in a container a loopback address is the container itself",
    "put an address of the gateway that containers reach into {blamed}: its container's name, if both share a network, "
    "or host.docker.internal, if it runs on the machine itself",
)
ORIGIN_NEVER_MATCHES = _cause(
    "origin-never-matches",
    "a browser never sends this text as its Origin, and Mistle compares the two as exact strings",
    "write scheme, host and port only in {blamed}: no path, no trailing slash, no default port",
    edit="trusted_origins = […]",
)
ORIGIN_NOT_TRUSTED = _cause(
    "origin-not-trusted",
    "the dashboard's own origin is not among the trusted origins: nobody could sign in",
    "add the dashboard's origin to {blamed}",
    edit="trusted_origins = […]",
)
ORIGIN_MISMATCH = _cause(
    "origin-mismatch",
    "the dashboard is configured to call another origin than the one that serves the control-plane API",
    "set {blamed} to the origin of services.control_plane_api.public_url, or of the dashboard behind one proxy",
    Status.WARN,
    edit="control_plane_api_origin = …",
)
WEAK_SECRET = _cause(
    "weak-secret",
    "a secret that only Mistle uses is shorter than 32 characters; a failure in production",
    "put a generated secret into {blamed} (for example from: openssl rand -base64 48)",
    Status.WARN,
)
SHARED_SECRET = _cause(
    "shared-secret",
    "one secret serves two purposes: if it leaks from one, the other is open too",
    "generate a secret of its own for each of {blamed}",
    Status.WARN,
)
INSECURE_URL = _cause(
    "insecure-url",
    "in production, a public URL without TLS: sessions and tokens cross the network unencrypted",
    "use https (or wss) in {blamed}",
    Status.WARN,
)
TEST_FAULTS = _cause(
    "test-faults",
    "in production, the injection of faults into sandboxes is enabled",
    "set {blamed} to false, or remove it",
    edit="sandboxd_test_faults_enabled = false",
)
PREFIX_COLLISION = _cause(
    "prefix-collision",
    "both planes use the same Valkey database with the same key prefix, and would overwrite each other's keys",
    "give each its own prefix: {blamed}",
)
IGNORED_SECTION = _cause(
    "ignored-section",
    "the section is configured but switched off: Mistle ignores it",
    "add google to services.control_plane_api.auth.enabled_methods, or remove {blamed}",
    Status.WARN,
)
MIXED_ENVIRONMENTS = _cause(
    "mixed-environments",
    "in production, a host is named like one of a staging environment, beside hosts named like production",
    "check that {blamed} leads to production",
    Status.WARN,
)

CAUSES = causes_in(globals())
