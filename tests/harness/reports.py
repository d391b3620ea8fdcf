"""A small report with a finding of every status, and one report for each way in which a run can end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from checks.core.finding import Finding, Layer, Status
from checks.core.remedy import Remedy
from preflight.config.origin import DEFAULT, InFile, InVariable
from preflight.report.model import KeyVerdict, Report
from preflight.report.result import Result

URL, POOLED, PREFIX = (
    "postgres.control_plane.direct_url",
    "postgres.control_plane.pooled_url",
    "kv.data_plane.key_prefix",
)

DNS = Finding("postgres.dns", Layer.DNS, Status.OK, "db resolves", fields=(URL,), seconds=0.0012)
REJECTED = Finding(
    "postgres.password-rejected",
    Layer.AUTH,
    Status.FAIL,
    "the server refused the password",
    f"correct the password in {URL} (mistle.toml:42)",
    (URL,),
    0.0101,
)
NOT_REACHED = Finding("postgres.access", Layer.ACCESS, Status.SKIP, "not reached")
BLOCKED = Finding("postgres.config", Layer.CONFIG, Status.SKIP, "not checked: the URL cannot be used", fields=(POOLED,))
SET_POLICY = Remedy("valkey-cli", "on kv:6379", "valkey-cli CONFIG SET maxmemory-policy noeviction")
EVICTS = Finding(
    "valkey.evicts-keys", Layer.FITNESS, Status.WARN, "policy is allkeys-lru", "", (PREFIX,), 0.002, (SET_POLICY,)
)
SOUND = Finding("config.config", Layer.CONFIG, Status.OK, "98 keys are valid")

REPORT = Report(
    version="1.2.3",
    command="run",
    config="/etc/mistle/mistle.toml",
    file="/etc/mistle/mistle.toml",
    stage="live",
    service=None,
    started_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
    seconds=0.81,
    results=(
        Result("config", "config", "/etc/mistle/mistle.toml", (), (SOUND,), 0.02),
        Result(
            "postgres.control_plane.direct",
            "postgres",
            "db:5432/mistle",
            (URL,),
            (DNS, REJECTED, NOT_REACHED),
            0.02,
            {"version": 170002, "pooled": False},
            ("control_plane_api", "control_plane_migrations"),
        ),
        Result("postgres.control_plane.pooled", "postgres", "", (POOLED,), (BLOCKED,)),
        Result("kv.data_plane", "valkey", "kv:6379", (PREFIX,), (EVICTS,), 12.5),
    ),
    keys=(
        KeyVerdict("global.env", Status.OK, "validated", InVariable("MISTLE_ENV")),
        KeyVerdict(
            URL, Status.FAIL, "probed", InFile("mistle.toml", 42), (REJECTED.id,), ("postgres.control_plane.direct",)
        ),
        KeyVerdict(POOLED, Status.SKIP, "validated", None, (), ("postgres.control_plane.pooled",)),
        KeyVerdict(PREFIX, Status.WARN, "probed", DEFAULT, (EVICTS.id,), ("kv.data_plane",)),
    ),
)

BUG = Finding("internal.bug", Layer.CONFIG, Status.FAIL, "KeyError at checks/valkey.py:7", "run it again with -v")
USAGE = Finding("run.usage", Layer.CONFIG, Status.FAIL, "there is no command 'confgi'", "see mistle-preflight --help")
UNREADABLE = Finding(
    "config.unreadable",
    Layer.CONFIG,
    Status.FAIL,
    "mistle.toml is not TOML: a table is given twice (line 7, column 3)",
    "name a readable TOML file with --config or MISTLE_CONFIG_PATH",
)
CUT_SHORT = Finding("run.interrupted", Layer.CONFIG, Status.SKIP, "interrupted after 0.4 s", fields=(URL,))


def of(*results: Result, **about: object) -> Report:
    """The report of these results alone."""
    keys = tuple(replace(verdict, status=Status.OK, findings=()) for verdict in REPORT.keys[:1])
    return replace(REPORT, results=results, **{"keys": keys, **about})  # type: ignore[arg-type]


CONFIG, DIRECT, BLOCKED_BY_CONFIG, VALKEY = REPORT.results
WARNED = (REPORT.keys[0], REPORT.keys[3])
IGNORED = replace(DIRECT, findings=(DNS, replace(REJECTED, status=Status.WARN), NOT_REACHED))
ENDINGS: Mapping[str, Report] = {
    "ready": of(CONFIG),
    "skipped": of(CONFIG, BLOCKED_BY_CONFIG),
    "warned": of(CONFIG, VALKEY, keys=WARNED),
    "warned, strict": of(CONFIG, VALKEY, keys=WARNED, fail_level=Status.WARN),
    "ignored": of(CONFIG, IGNORED, ignored=frozenset({REJECTED.id}), fail_level=Status.WARN),
    "not ready": REPORT,
    "config": of(CONFIG, command="config"),
    "plan": of(CONFIG, replace(DIRECT, findings=(NOT_REACHED,)), command="plan"),
    "misuse": of(replace(CONFIG, findings=(USAGE,)), keys=(), config="environment", file=None),
    "unreadable": of(replace(CONFIG, findings=(UNREADABLE,)), keys=()),
    "unreadable, ignored": of(
        replace(CONFIG, findings=(replace(UNREADABLE, status=Status.WARN),)),
        keys=(),
        ignored=frozenset({UNREADABLE.id}),
    ),
    "bug": of(replace(CONFIG, findings=(SOUND, BUG))),
    "bug in a check": of(CONFIG, replace(VALKEY, findings=(BUG,))),
    "interrupted": of(CONFIG, replace(DIRECT, findings=(DNS, CUT_SHORT, NOT_REACHED)), signal=15),
    "interrupted at the end": of(CONFIG, signal=2),
}
