"""From a configuration to checks: what is planned, for whom, and what is not."""

from pathlib import Path

import pytest

import configs
from checks.base import Status
from checks.postgres import Postgres
from preflight.config import Config, load
from preflight.plan import SelectionError, plan

SHARED = "postgres://mistle:pw@db.example:5432/mistle"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(configs.write(tmp_path), {})


def names(config: Config, **selection: object) -> list[str]:
    return [check.name for check in plan(config, **selection).checks]  # type: ignore[arg-type]


def test_every_resource_is_planned(config: Config) -> None:
    assert names(config) == [
        "postgres.control_plane.direct",
        "postgres.control_plane.pooled",
        "postgres.data_plane.direct",
        "postgres.data_plane.pooled",
        "kv.data_plane",
    ]


def test_a_section_that_is_there_is_planned(tmp_path: Path) -> None:
    assert "kv.control_plane" in names(load(configs.write(tmp_path, configs.CONTROL_KV), {}))


def test_a_broken_key_blocks_its_own_family_alone(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, {"kv.data_plane.url": "redis://"}), {})
    made = plan(config)
    assert [check.kind for check in made.checks] == ["postgres"] * 4
    (blocked,) = made.blocked
    assert (blocked.name, blocked.status) == ("kv.data_plane", Status.SKIP)
    assert blocked.findings[0].message == "not checked: kv.data_plane.url cannot be used"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("control_plane_api", ["control_plane.direct", "control_plane.pooled"]),
        ("control_plane_worker", ["control_plane.direct", "control_plane.pooled"]),
        ("control_plane_migrations", ["control_plane.direct"]),
        ("data_plane_api", ["data_plane.direct", "data_plane.pooled"]),
        ("data_plane_worker", ["data_plane.direct", "data_plane.pooled"]),
        ("data_plane_gateway", ["data_plane.pooled", "kv.data_plane"]),
        ("data_plane_migrations", ["data_plane.direct"]),
        ("dashboard", []),
    ],
)
def test_service(config: Config, service: str, expected: list[str]) -> None:
    assert [name.removeprefix("postgres.") for name in names(config, service=service)] == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"only": ["kv*"]}, ["kv.data_plane"]),
        ({"only": ["valkey"]}, ["kv.data_plane"]),
        ({"only": ["postgres.data_plane.direct_url"]}, ["postgres.data_plane.direct"]),
        ({"skip": ["postgres"]}, ["kv.data_plane"]),
        ({"only": ["postgres"], "skip": ["*.pooled", "*control*"]}, ["postgres.data_plane.direct"]),
    ],
)
def test_selection(config: Config, selection: dict[str, list[str]], expected: list[str]) -> None:
    assert names(config, **selection) == expected


def test_what_is_left_out_is_remembered(config: Config) -> None:
    assert "kv.data_plane.url" in plan(config, only=["postgres"]).unselected


@pytest.mark.parametrize("word", ["only", "skip"])
def test_a_pattern_that_matches_nothing(config: Config, word: str) -> None:
    with pytest.raises(SelectionError, match=r"'kv\.data' matches no check, kind or key; the checks are postgres"):
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


def test_a_plane_that_nobody_asked_for_is_not_looked_at(tmp_path: Path) -> None:
    (control,) = shared(tmp_path, service="control_plane_migrations")
    assert control.planes == ("control_plane",)


def test_stage_decides_whether_a_schema_must_be_there(config: Config) -> None:
    for stage, deployed in (("live", True), ("before-deploy", False)):
        check = plan(config, stage=stage).checks[0]
        assert isinstance(check, Postgres)
        assert check.deployed is deployed
