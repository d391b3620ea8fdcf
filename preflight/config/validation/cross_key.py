"""Rules across keys, and rules that Mistle itself applies only at run time: pure functions over the values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from preflight.config import causes
from preflight.config.javascript import trim
from preflight.config.schema.key import Secrecy
from preflight.config.schema.keys import VERSION, key_of
from preflight.config.schema.tables import (
    API,
    AUTH,
    GATEWAY,
    GOOGLE_ENABLED,
    MOUNTED,
    ON_DOCKER,
    ON_E2B,
    STORAGE,
    TELEMETRY_ENABLED,
)
from preflight.config.schema.types import shown
from preflight.config.tree import Tree, lookup
from preflight.config.urls import Url, is_loopback, is_public, parse_or_none
from preflight.config.validation import web_urls
from preflight.config.validation.context import Context, Rule
from preflight.config.validation.environments import mixed_environments
from preflight.config.validation.url_syntax import SYNTAX
from preflight.config.values import Values
from preflight.grouping import grouped

if TYPE_CHECKING:
    from preflight.config.sources.origins import Origins

DASHBOARD_URL, API_URL = "services.dashboard.public_url", f"{API}.public_url"
API_ORIGIN, TRUSTED = "services.dashboard.control_plane_api_origin", f"{AUTH}.trusted_origins"
SANDBOX_WS = f"{GATEWAY}.sandbox_ws_internal_url"
MASTER_KEYS = f"{API}.integrations.master_encryption_keys"
ACTIVE_KEY = f"{API}.integrations.active_master_encryption_key_version"
ATTRIBUTES = "telemetry.resource_attributes"
TEST_FAULTS = "sandbox.sandboxd_test_faults_enabled"

_PUBLIC_URLS = (DASHBOARD_URL, API_ORIGIN, API_URL, f"{GATEWAY}.sandbox_ws_public_url")
_REACHED_FROM_CLOUDS = (
    (SANDBOX_WS, ON_E2B, "E2B's cloud, where the sandboxes run"),
    (f"{STORAGE}.endpoint", MOUNTED, "Archil's cloud, which mounts the bucket"),
)
_STORAGE_OF = {"docker": "docker_volume", "e2b": "archil"}
_STRONG = 32  # characters


def apply_rules(values: Values, tree: Tree, origins: Origins) -> tuple[Finding, ...]:
    """Apply all rules. Later rules do not see the values that a rule of SYNTAX refuses."""
    context, findings = Context(values, tree, origins), list[Finding]()
    for rule in SYNTAX:
        findings += rule(context)
        refused = {path for finding in findings if finding.status is Status.FAIL for path in finding.fields}
        accepted = {path: value for path, value in values.items() if path not in refused}
        context = replace(context, values=Values(accepted))
    return (*findings, *(finding for rule in RULES for finding in rule(context)))


def active_key(context: Context) -> Iterator[Finding]:
    """The active master key version is one of the keys."""
    active, keys = context.values.get(ACTIVE_KEY), lookup(context.tree, MASTER_KEYS)
    versions = [name for name in keys if name.isdecimal()] if isinstance(keys, dict) and VERSION not in keys else []
    if active and versions and str(active) not in versions:
        message = f"is {active}, but the configured versions are {', '.join(versions)}"
        only = int(versions[0]) if len(versions) == 1 else None
        yield context.finding(causes.ACTIVE_KEY_MISSING, ACTIVE_KEY, message=message, corrected=only)


def provider_and_storage(context: Context) -> Iterator[Finding]:
    """The sandbox provider can use the storage."""
    provider, backend = context.values.text("sandbox.provider"), context.values.text("sandbox.storage.backend")
    if provider and backend and _STORAGE_OF[provider] != backend:
        message = (
            f'is "{backend}", and sandbox.provider is "{provider}", whose persistent sandboxes work only with '
            f'"{_STORAGE_OF[provider]}": Mistle would refuse to start one'
        )
        yield context.finding(causes.PROVIDER_STORAGE_MISMATCH, "sandbox.storage.backend", message=message)


def public_addresses(context: Context) -> Iterator[Finding]:
    """Addresses that a cloud must reach are public; in production, those that browsers must reach are not loopback."""
    for path, condition, cloud in _REACHED_FROM_CLOUDS:
        url = context.values.url_or_none(path)
        if url and condition.holds(context.tree) and not is_public(url.host):
            message = f"its host {shown(url.host)} cannot be reached from {cloud}"
            yield context.finding(causes.NOT_PUBLIC, path, message=message)
    for path in _PUBLIC_URLS if context.values.production else ():
        url = context.values.url_or_none(path)
        if url and is_loopback(url.host):
            message = f"its host {shown(url.host)} is each browser's own machine, not this deployment"
            yield context.finding(causes.NOT_PUBLIC, path, message=message, status=Status.WARN)


def sandboxes_reach_the_gateway(context: Context) -> Iterator[Finding]:
    """The address that Docker's sandboxes connect to is not loopback, which is the sandbox itself."""
    url = context.values.url_or_none(SANDBOX_WS)
    if url and is_loopback(url.host) and ON_DOCKER.holds(context.tree):
        message = f"its host {shown(url.host)} is each sandbox itself, not the gateway"
        status = Status.FAIL if context.values.production else Status.WARN
        yield context.finding(causes.SANDBOX_LOOPBACK, SANDBOX_WS, message=message, status=status)


def trusted_origins(context: Context) -> Iterator[Finding]:
    """Each trusted origin can match, and the dashboard's is among them."""
    trusted, dashboard = context.values.texts(TRUSTED), context.values.url_or_none(DASHBOARD_URL)
    for number, entry in enumerate(trusted, 1):
        origin = _origin(entry)
        if origin != entry:
            correction = f"; write {shown(origin)}" if origin else ""
            message = f"item {number} is not an origin as browsers send it{correction}"
            yield context.finding(causes.ORIGIN_NEVER_MATCHES, TRUSTED, message=message, corrected=_origins(trusted))
    if trusted and dashboard and dashboard.origin not in trusted:
        message = f"does not hold {shown(dashboard.origin)}, the origin of {DASHBOARD_URL}"
        corrected = [*(_origins(trusted) or trusted), dashboard.origin]
        yield context.finding(causes.ORIGIN_NOT_TRUSTED, TRUSTED, message=message, corrected=corrected)


def api_origin(context: Context) -> Iterator[Finding]:
    """The dashboard calls the origin that serves the API."""
    called, api, dashboard = map(context.values.url_or_none, (API_ORIGIN, API_URL, DASHBOARD_URL))
    if not (called and api and dashboard):
        return
    if called.origin not in (api.origin, dashboard.origin):
        message = f"is {shown(called.origin)}, but the API is served at {shown(api.origin)}"
        yield context.finding(causes.ORIGIN_MISMATCH, API_ORIGIN, message=message, corrected=api.origin)
    elif called.path != "/" or called.query:
        message, origin = f"has a path, must be {shown(called.origin)}", called.origin
        yield context.finding(causes.ORIGIN_MISMATCH, API_ORIGIN, message=message, corrected=origin)


def weak_secrets(context: Context) -> Iterator[Finding]:
    """The secrets that the operator made only for Mistle are long enough."""
    status = Status.FAIL if context.values.production else Status.WARN
    for path, value in context.values.items():
        if key_of(path).secrecy is Secrecy.CHOSEN and len(str(value)) < _STRONG:
            message = f"has {len(str(value))} characters, should have {_STRONG} or more"
            yield context.finding(causes.WEAK_SECRET, path, message=message, status=status)


def shared_secrets(context: Context) -> Iterator[Finding]:
    """No secret that the operator made for Mistle has a second purpose."""
    for secret, paths in grouped(context.values, lambda path: _secret(context, path)).items():
        if secret and len(paths) > 1 and any(key_of(path).secrecy is Secrecy.CHOSEN for path in paths):
            message = f"the same secret is in {', '.join(paths[:-1])} and {paths[-1]}"
            yield context.finding(causes.SHARED_SECRET, *paths, message=message)


def insecure_urls(context: Context) -> Iterator[Finding]:
    """In production, public URLs use TLS."""
    for path in _PUBLIC_URLS if context.values.production else ():
        url = context.values.url_or_none(path)
        if url and url.scheme in ("http", "ws"):
            message = f"begins with {url.scheme}://, in production"
            yield context.finding(causes.INSECURE_URL, path, message=message)


def test_faults(context: Context) -> Iterator[Finding]:
    """In production, no faults are injected."""
    if context.values.production and context.values.boolean(TEST_FAULTS):
        yield context.finding(causes.TEST_FAULTS, TEST_FAULTS, message="is true, in production", corrected=False)


def key_prefixes(context: Context) -> Iterator[Finding]:
    """The planes do not share both a Valkey database and a key prefix."""
    paths = ("kv.control_plane.key_prefix", "kv.data_plane.key_prefix")
    control, data = context.values.url_or_none("kv.control_plane.url"), context.values.url_or_none("kv.data_plane.url")
    prefix, other = map(context.values.text, paths)
    if control and data and _database(control) == _database(data) and prefix == other:
        message = f"both planes keep their keys under {shown(prefix)} in one database at {data.address}"
        yield context.finding(causes.PREFIX_COLLISION, *paths, message=message)


def ignored_sections(context: Context) -> Iterator[Finding]:
    """If Google sign-in is configured, it is enabled."""
    paths = [path for path in context.values if path.startswith(f"{AUTH}.google.")]
    if paths and not GOOGLE_ENABLED.holds(context.tree):
        message = f"Mistle ignores it: {AUTH}.enabled_methods does not hold google"
        yield context.finding(causes.IGNORED_SECTION, *paths, message=message)


def resource_attributes(context: Context) -> Iterator[Finding]:
    """Each attribute of telemetry is name=value: another one stops the services while telemetry is enabled."""
    attributes = context.values.text(ATTRIBUTES) if TELEMETRY_ENABLED.holds(context.tree) else ""
    entries = [trim(entry) for entry in attributes.split(",")]
    if wrong := [entry for entry in entries if entry and entry.find("=") < 1]:
        message = f"{shown(wrong[0])} is no name=value: with telemetry enabled, Mistle's services would not start"
        yield context.finding(causes.NOT_ALLOWED, ATTRIBUTES, message=message)


RULES: tuple[Rule, ...] = (
    active_key,
    provider_and_storage,
    public_addresses,
    sandboxes_reach_the_gateway,
    trusted_origins,
    api_origin,
    weak_secrets,
    shared_secrets,
    insecure_urls,
    test_faults,
    key_prefixes,
    ignored_sections,
    resource_attributes,
    *web_urls.RULES,
    mixed_environments,
)


def _origin(text: str) -> str:
    url = parse_or_none(text)
    return url.origin if url else ""


def _origins(entries: tuple[str, ...]) -> list[str] | None:
    """The origins as browsers send them; None if one of the texts has none."""
    origins = list(dict.fromkeys(map(_origin, entries)))
    return origins if all(origins) else None


def _secret(context: Context, path: str) -> str:
    """The secret in a key's value; of a URL, the password."""
    key = key_of(path)
    if key.secrecy is Secrecy.NONE:
        return ""
    if not key.url:
        return context.values.text(path)
    url = context.values.url_or_none(path)
    return url.password if url else ""


def _database(url: Url) -> tuple[str, int, int]:
    return url.host.lower().rstrip("."), url.port, int(url.path.strip("/") or 0)
