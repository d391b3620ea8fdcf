"""From a configuration to checks: which are planned, for which service, and which are not."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from checks.docker import DockerEngine
from checks.postgres import Postgres
from checks.valkey import Valkey
from preflight.config.loader import Config, load
from preflight.plan.plan import SelectionError, plan, with_services
from preflight.plan.resources import RESOURCES
from preflight.report.result import Result
from preflight.services import SERVICES
from tests.harness import configs

SHARED = "postgres://mistle:pw@db.example:5432/mistle"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(configs.write(tmp_path), {})


def names(config: Config, **selection: object) -> list[str]:
    return [check.name for check in plan(config, **selection).checks]  # type: ignore[arg-type]


SELF_HOSTED = {
    "postgres.control_plane.direct",
    "postgres.control_plane.pooled",
    "postgres.data_plane.direct",
    "postgres.data_plane.pooled",
    "kv.data_plane",
    "object_store.assets",
    "email.smtp",
    "sandbox.docker",
    "services.control_plane_api.internal",
    "services.control_plane_api.public",
    "services.data_plane_api.internal",
    "services.data_plane_gateway.internal",
    "services.dashboard",
    "services.data_plane_gateway.sandbox_ws_internal",
    "services.data_plane_gateway.sandbox_ws_public",
    "sandbox.publish_base_domain",
}
EVERYTHING_ELSE = {
    "kv.control_plane",
    "object_store.sandbox_storage",
    "sandbox.e2b",
    "sandbox.storage.archil",
    "telemetry.traces",
    "telemetry.logs",
    "telemetry.metrics",
    "services.control_plane_api.auth.google",
}


@pytest.mark.parametrize(("path", "database"), [("", 0), ("/", 0), ("/3", 3)])
def test_valkey_database_is_the_first_where_none_is_named(tmp_path: Path, path: str, database: int) -> None:
    config = load(configs.write(tmp_path, {"kv.data_plane.url": f"redis://valkey.example{path}"}), {})
    planned = {check.name: check for check in plan(config).checks}["kv.data_plane"]
    assert isinstance(planned, Valkey)
    assert planned.database == database


def test_named_resources_are_planned(config: Config) -> None:
    assert set(names(config)) == SELF_HOSTED


def test_every_resource_is_planned(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, configs.ALL), {})
    all_names = {resource.name for resource in RESOURCES}
    assert set(names(config)) == all_names - {"sandbox.docker"}, (
        "these resources are not planned with every key set: does preflight/config/schema/keys.py have all their keys?"
    )
    assert all_names >= SELF_HOSTED | EVERYTHING_ELSE


def test_telemetry_that_is_off_is_not_planned(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, {**configs.ALL, "telemetry.enabled": False}), {})
    assert not [name for name in names(config) if name.startswith("telemetry.")]


def test_services_are_those_that_exist() -> None:
    assert {service for resource in RESOURCES for service in resource.services} <= set(SERVICES)


@pytest.mark.parametrize("domain", ["notlocalhost", "localhost.example"])
def test_other_domains_are_looked_up(tmp_path: Path, domain: str) -> None:
    config = load(configs.write(tmp_path, {"sandbox.publish_base_domain": domain}), {})
    assert "sandbox.publish_base_domain" in names(config)


@pytest.mark.parametrize("service", ["data_plane_api", "data_plane_worker"])
def test_only_the_worker_makes_sandboxes(tmp_path: Path, service: str) -> None:
    config = load(configs.write(tmp_path, {"sandbox.docker.network_name": "sandboxes"}), {})
    (docker,) = plan(config, service=service, only=["docker"]).checks
    assert isinstance(docker, DockerEngine)
    assert (docker.network_name, docker.sandboxes) == (("", False), ("sandboxes", True))[service == "data_plane_worker"]


@pytest.mark.parametrize("domain", ["localhost", "sandboxes.localhost"])
def test_names_below_localhost_are_not_looked_up(tmp_path: Path, domain: str) -> None:
    config = load(configs.write(tmp_path, {"sandbox.publish_base_domain": domain}), {})
    (publish,) = plan(config, only=["publish"]).checks
    assert publish.layers == (Layer.AUTH, Layer.ACCESS)


BOOTSTRAP, GATEWAY_URL = "sandbox.tokens.bootstrap.secret", "services.data_plane_gateway.internal_url"


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("sandbox.publish_base_domain", "sandbox.publish.access_token.secret", ""),
        ("sandbox.publish_base_domain", GATEWAY_URL, "gateway:5202"),
        ("services.data_plane_gateway.sandbox_ws_internal", BOOTSTRAP, ""),
    ],
)
def test_broken_key_of_the_gateways_tokens_leaves_the_rest_of_the_check(
    tmp_path: Path, name: str, key: str, value: str
) -> None:
    made = plan(load(configs.write(tmp_path, {key: value}), {}))
    check = next(check for check in made.checks if check.name == name)
    assert check.unasked == f"not checked: {key} cannot be used"  # type: ignore[attr-defined]
    assert check.layers[0] is Layer.DNS
    assert check.layers[-2:] == (Layer.AUTH, Layer.ACCESS)


def test_broken_key_blocks_only_its_own_checks(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, {"kv.data_plane.url": "redis://"}), {})
    made = plan(config)
    assert {check.name for check in made.checks} == SELF_HOSTED - {"kv.data_plane"}
    (blocked,) = made.blocked
    assert (blocked.name, blocked.status) == ("kv.data_plane", Status.SKIP)
    assert blocked.findings[0].message == "not checked: kv.data_plane.url cannot be used"
    assert blocked.findings[0].id == "valkey.config"


CONTROL_API, DATA_API, GATEWAY = (
    f"services.{name}.internal" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")
)
WS_INTERNAL, WS_PUBLIC = (f"services.data_plane_gateway.sandbox_ws_{way}" for way in ("internal", "public"))


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            "control_plane_api",
            ["postgres.control_plane.*", "object_store.assets", DATA_API, WS_PUBLIC, "sandbox.publish*"],
        ),
        ("control_plane_worker", ["postgres.control_plane.*", "email.smtp", CONTROL_API, DATA_API]),
        ("control_plane_migrations", ["postgres.control_plane.direct"]),
        ("data_plane_api", ["postgres.data_plane.*", "sandbox.docker", CONTROL_API, GATEWAY]),
        (
            "data_plane_worker",
            ["postgres.data_plane.*", "sandbox.docker", CONTROL_API, GATEWAY, WS_INTERNAL],
        ),
        (
            "data_plane_gateway",
            [
                "postgres.data_plane.pooled",
                "kv.data_plane",
                CONTROL_API,
                DATA_API,
                WS_INTERNAL,
                WS_PUBLIC,
                "sandbox.publish*",
            ],
        ),
        ("data_plane_migrations", ["postgres.data_plane.direct"]),
        ("dashboard", ["services.control_plane_api.public", "services.dashboard", WS_PUBLIC]),
    ],
)
def test_service(config: Config, service: str, expected: list[str]) -> None:
    wanted = {name for name in SELF_HOSTED if any(fnmatch(name, pattern) for pattern in expected)}
    assert set(names(config, service=service)) == wanted


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"only": ["kv*"]}, ["kv.data_plane"]),
        ({"only": ["valkey"]}, ["kv.data_plane"]),
        ({"only": ["postgres.data_plane.direct_url"]}, ["postgres.data_plane.direct"]),
        ({"only": ["sandbox.docker.network_name"]}, ["sandbox.docker"]),
        ({"only": [f"{configs.MASTER_KEYS}.1"]}, ["postgres.control_plane.pooled"]),
        ({"only": ["*.trusted_origins"]}, ["services.control_plane_api.public"]),
        ({"only": ["postgres", "kv*"], "skip": ["postgres"]}, ["kv.data_plane"]),
        ({"only": ["postgres"], "skip": ["*.pooled", "*control*"]}, ["postgres.data_plane.direct"]),
    ],
)
def test_selection(config: Config, selection: dict[str, list[str]], expected: list[str]) -> None:
    assert names(config, **selection) == expected


def test_unselected_keys_are_in_the_plan(config: Config) -> None:
    assert f"{configs.MASTER_KEYS}.1" in plan(config, only=["*.direct"]).unselected
    assert "kv.data_plane.url" in plan(config, only=["postgres"]).unselected


@pytest.mark.parametrize("word", ["only", "skip"])
def test_a_pattern_that_matches_nothing(config: Config, word: str) -> None:
    with pytest.raises(SelectionError, match=r"matches no check, kind or key; did you mean kv\.data_plane\?"):
        plan(config, **{word: ["kv.data"]})  # type: ignore[arg-type]


def shared(tmp_path: Path, **selection: object) -> tuple[Postgres, ...]:
    urls = {f"postgres.{plane}_plane.direct_url": SHARED for plane in ("control", "data")}
    made = plan(load(configs.write(tmp_path, urls), {}), only=["*.direct_url"], **selection)  # type: ignore[arg-type]
    return tuple(check for check in made.checks if isinstance(check, Postgres))


def test_planes_that_share_a_url_are_one_target(tmp_path: Path) -> None:
    control, data = shared(tmp_path)
    assert control == data
    assert len({control, data}) == 1
    assert control.planes == ("control_plane", "data_plane")
    assert control.connections == 40


def test_unselected_plane_is_not_planned(tmp_path: Path) -> None:
    (control,) = shared(tmp_path, service="control_plane_migrations")
    assert control.planes == ("control_plane",)


def test_stage_decides_whether_a_schema_must_be_there(config: Config) -> None:
    for stage, deployed in (("live", True), ("before-deploy", False)):
        check = plan(config, stage=stage).checks[0]
        assert isinstance(check, Postgres)
        assert check.deployed is deployed


def test_results_name_the_services_that_use_the_target() -> None:
    names = ("postgres.control_plane.direct", "email.smtp", "config")
    found = with_services(Result(name, "kind", "", (), ()) for name in names)
    assert [result.services for result in found] == [
        ("control_plane_api", "control_plane_worker", "control_plane_migrations"),
        ("control_plane_worker",),
        (),
    ]
