"""Files of variables: read as Docker Compose reads its env_file, which the tables are compared with."""

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight import UsageError, check
from preflight.config.sources import env_file
from preflight.config.sources.env_file import InvalidLine
from tests.harness import configs, profiles
from tests.harness.processes import Ended, preflight

ELSEWHERE = {"OTHER": "other", "P": "proc", "EMPTY": ""}
"""The variables of the process."""

READ: Mapping[str, Mapping[str, str]] = {
    "A=plain": {"A": "plain"},
    "A=": {"A": ""},
    "A = spaced": {"A": "spaced"},
    "  A=lead": {"A": "lead"},
    "A= v": {"A": "v"},
    "export A=v": {"A": "v"},
    "A=x#y": {"A": "x#y"},
    "A=x #y": {"A": "x"},
    "A= #y": {"A": "#y"},
    "A=#y": {"A": "#y"},
    "A=x\t#y": {"A": "x\t#y"},
    "A=x y # z # w": {"A": "x y"},
    'A="x" # c': {"A": "x"},
    "A='x'# c": {"A": "x"},
    'A="x#y"': {"A": "x#y"},
    "A='$OTHER'": {"A": "$OTHER"},
    'A="$OTHER"': {"A": "other"},
    "A=$OTHER": {"A": "other"},
    "A=${OTHER}X": {"A": "otherX"},
    "A=$OTHERX": {"A": ""},
    "A=${NO:-def}${NO-def}${OTHER:-def}${OTHER-def}": {"A": "defdefotherother"},
    "A=${EMPTY-d}${EMPTY:-d}": {"A": "d"},
    "A=${OTHER+a}${EMPTY+b}${EMPTY:+c}${NO+d}": {"A": "ab"},
    "A=${OTHER:?x}": {"A": "other"},
    "A=${NO:-${NO:-deep}$OTHER}": {"A": "deepother"},
    'A=${NO:-{"a":1}}': {"A": '{"a":1}'},
    "A=${NO:-a}b}": {"A": "ab}"},
    "A=$NO.": {"A": "."},
    "A=a$$b": {"A": "a$b"},
    'A="a$$b"': {"A": "a$b"},
    "A='a$$b'": {"A": "a$$b"},
    "A=a\\$OTHER": {"A": "a\\other"},
    'A="a\\$OTHER"': {"A": "a$OTHER"},
    'A="\\\\$OTHER"': {"A": "\\other"},
    'A="\\\\\\$OTHER"': {"A": "\\$OTHER"},
    "A='\\$x'": {"A": "\\$x"},
    "A=$$$OTHER": {"A": "$other"},
    "A=p$1x$-y$é": {"A": "p$1x$-y$é"},
    "A=pa$$word$": {"A": "pa$word$"},
    'A="$"': {"A": "$"},
    "A=$(id)`id`": {"A": "$(id)`id`"},
    'A="a\\nb"': {"A": "a\nb"},
    "A='a\\nb'": {"A": "a\\nb"},
    "A=a\\nb": {"A": "a\\nb"},
    'A="a\\tb\\rc\\\\d\\"e\\\'f\\ag\\vh\\xi\\bj\\fk\\z"': {"A": "a\tb\rc\\d\"e\\'f\x07g\x0bh\\xi\x08j\x0ck\\z"},
    "A='it\\'s'": {"A": "it's"},
    "A='a\\\\b'": {"A": "a\\\\b"},
    'A="a\\\\"': {"A": "a\\"},
    "A='a\\\\'": {"A": "a\\\\"},
    "A=x\"y\"'z'": {"A": "x\"y\"'z'"},
    "A==x=y": {"A": "=x=y"},
    'A="two\nlines"': {"A": "two\nlines"},
    "A='two\nlines' # c\nB=2": {"A": "two\nlines", "B": "2"},
    "A=x\nA=y": {"A": "y"},
    "B=1\nA=$B": {"B": "1", "A": "1"},
    "A=$B\nB=1": {"A": "", "B": "1"},
    "P=1\nA=$P": {"P": "1", "A": "proc"},
    "A=${A}z": {"A": "z"},
    "A=é": {"A": "é"},
    "A=  x  y  ": {"A": "x  y"},
    'A=" x "': {"A": " x "},
    "  # c\n\nA=1\n#B=2": {"A": "1"},
    "A=x;B=y": {"A": "x;B=y"},
    "A='' ": {"A": ""},
    "A='\"x\"'": {"A": '"x"'},
    "A=x\\\nB=2": {"A": "x\\", "B": "2"},
    'A={"1": "k"}': {"A": '{"1": "k"}'},
    'A=\'{"1": "k"}\'': {"A": '{"1": "k"}'},
    "A=postgres://u:p%40@h:5432/d?x=1&y=2#f": {"A": "postgres://u:p%40@h:5432/d?x=1&y=2#f"},
    "A.B-C[0]=x": {"A.B-C[0]": "x"},
    "B\nA=1": {"A": "1"},
    "A=1\r\nB=2\r\n": {"A": "1", "B": "2"},
    "\ufeffA=1": {"A": "1"},
    "A=x\xa0": {"A": "x"},
    "A=x\u2028y": {"A": "x\u2028y"},
}

REFUSED: Mapping[str, str] = {
    'A="open': "1: a quote is not closed",
    "A='open": "1: a quote is not closed",
    'A="x\\"': "1: a quote is not closed",
    "A B=x": "1: this line is not NAME=value",
    "'A'=x": "1: the name may hold letters, digits and _ only",
    "A/B=x": "1: the name may hold letters, digits and _ only",
    "A='x''y'": "1: something follows the closing quote",
    "A=${": "1: ${ is not closed; write $$ for a dollar sign",
    "A=${OTHER": "1: ${ is not closed; write $$ for a dollar sign",
    "A=${OTHER/x}": "1: ${…} names no variable; write $$ for a dollar sign",
    "A=${}": "1: ${…} names no variable; write $$ for a dollar sign",
    "A=${NO:?told}": "1: the variable NO is required and not set",
    "A=${EMPTY:?told}": "1: the variable EMPTY is required and not set",
    'A="${NO:-a\\nb}"': "1: ${…} names no variable; write $$ for a dollar sign",
}
"""By Compose too, each with what is said here."""

ODD: Mapping[str, str] = {
    "A: yaml": "1: write NAME=value, not NAME: value",
    'A="x"y': "1: something follows the closing quote",
    'A="a" B="b"': "1: something follows the closing quote",
    "junk line": "1: this line is not NAME=value",
    "=x": "1: this line is not NAME=value",
    'A="\\0"': "1: write no octal escape",
    "A=x\ry": "1: a carriage return within a line",
}
"""Compose reads these in a way that nobody means, such as a variable without a name; here they are refused."""


def read(text: str, folder: Path, lookup: Mapping[str, str] = ELSEWHERE) -> dict[str, str]:
    file = folder / "some.env"
    file.write_bytes(text.encode())
    return {name: variable.value for name, variable in env_file.read(file, lookup.get, 5.0).items()}


@pytest.mark.parametrize("text", READ)
def test_values_of_a_line(text: str, tmp_path: Path):
    assert read(text, tmp_path) == READ[text]


@pytest.mark.parametrize("text", [*REFUSED, *ODD])
def test_invalid_lines(text: str, tmp_path: Path):
    with pytest.raises(InvalidLine) as refused:
        read(text, tmp_path)
    assert f"{refused.value.line}: {refused.value}" == {**REFUSED, **ODD}[text]


@given(st.text(st.sampled_from("AB=$${}\"'\\ #\n\r\t:-+?x0é\0"), max_size=30) | st.text(max_size=30))
def test_any_text_is_read_or_refused_with_its_line(text: str):
    lines: list[int | None] = [1]
    with TemporaryDirectory() as folder, suppress(UnicodeEncodeError):  # half a character is in no file
        try:
            read(text, Path(folder))
        except InvalidLine as refused:
            lines.append(refused.line)
    assert all(line and line <= text.count("\n") + 1 for line in lines)


def composed(folder: Path, texts: list[list[str]]) -> list[dict[str, str] | None]:
    """What Compose gives to a service with these files, for each list of files; None if it refuses them."""
    for number, files in enumerate(texts):
        each = folder / str(number)
        each.mkdir()
        names = [f"{index}.env" for index in range(len(files))]
        for name, text in zip(names, files, strict=True):
            (each / name).write_bytes(text.encode())
        (each / "compose.yaml").write_text(json.dumps({"services": {"it": {"image": "x", "env_file": names}}}))
    script = "for each in *; do (cd $each && docker compose -p x config --format json >out 2>/dev/null || rm out); done"
    given = [f"--env={name}={value}" for name, value in ELSEWHERE.items()]
    mounted = [f"--user={os.getuid()}", f"--volume={folder}:{folder}", f"--workdir={folder}", "--entrypoint=sh"]
    subprocess.run(
        ["docker", "run", "--rm", *mounted, *given, "mistle-preflight-test/compose", "-c", script],
        check=True,
        timeout=120,
    )
    return [_environment(folder / str(number) / "out") for number in range(len(texts))]


def _environment(output: Path) -> dict[str, str] | None:
    if not output.exists():
        return None
    services = json.loads(output.read_text())["services"]
    given = services["it"].get("environment", {})
    return {name: value.replace("$$", "$") for name, value in given.items() if value is not None}


def test_compose_reads_the_same(tmp_path: Path):
    """A part in the suite: what Compose replaces, quotes, comments."""
    some = [text for number, text in enumerate(READ) if number % 4 == 0]
    assert dict(zip(some, composed(tmp_path, [[text] for text in some]), strict=True)) == {
        text: READ[text] for text in some
    }


@profiles.long
def test_compose_reads_every_text_the_same(tmp_path: Path):
    texts = [*READ, *REFUSED]
    expected = {**READ, **dict.fromkeys(REFUSED)}
    assert dict(zip(texts, composed(tmp_path, [[text] for text in texts]), strict=True)) == expected


FIRST = {"MISTLE_KV_DATA_PLANE_URL": "redis://:first@valkey:6379", "EMPTY": "full", "Q": "2"}
SECOND = "A=$EMPTY$Q\nQ=${Q}3\n"


def test_second_file_uses_the_first(tmp_path: Path):
    first = "".join(f"{name}={value}\n" for name, value in FIRST.items())
    (found,) = composed(tmp_path, [[first, SECOND]])
    assert found == {**FIRST, "A": "full2", "Q": "23"}
    (tmp_path / "first.env").write_text(first)
    (tmp_path / "second.env").write_text(
        "MISTLE_EMAIL_SMTP_FROM_NAME=$EMPTY$Q\nMISTLE_EMAIL_SMTP_PORT=${Q}3\n"
        "MISTLE_KV_DATA_PLANE_KEY_PREFIX=${MISTLE_KV_DATA_PLANE_URL}\n"
    )
    done = checked(tmp_path, "first.env", "second.env", env=ELSEWHERE)
    assert origins(done)["email.smtp.port"] == "second.env:2"


def checked(folder: Path, *names: str, env: Mapping[str, str] = {}, command: str = "config") -> Ended:
    file = configs.write(folder, {})
    flags = (part for name in names for part in ("--env-file", name))
    return preflight(command, "--config", file.name, *flags, "-f", "json", env=env, cwd=folder)


def origins(done: Ended) -> dict[str, str]:
    return {key["key"]: key["origin"] for key in json.loads(done.stdout)["keys"]}


def findings(done: Ended) -> list[dict[str, object]]:
    return [each for check in json.loads(done.stdout)["checks"] for each in check["findings"]]


def test_origin_is_the_line_and_the_hint_names_variable_and_line(tmp_path: Path):
    (tmp_path / "prod.env").write_text("# Mistle\n\nMISTLE_EMAIL_SMTP_PORT=none\nexport MISTLE_ENV=production\n")
    done = checked(tmp_path, "prod.env")
    assert (done.code, origins(done)["email.smtp.port"], origins(done)["global.env"]) == (1, "prod.env:3", "prod.env:4")
    (refused,) = (each for each in findings(done) if each["id"] == "config.bad-override")
    assert "MISTLE_EMAIL_SMTP_PORT in prod.env:3" in str(refused["hint"])


def test_variable_of_the_process_wins(tmp_path: Path):
    (tmp_path / "prod.env").write_text("MISTLE_EMAIL_SMTP_PORT=none\n")
    done = checked(tmp_path, "prod.env", env={"MISTLE_EMAIL_SMTP_PORT": "25"})
    assert (done.code, origins(done)["email.smtp.port"]) == (0, "MISTLE_EMAIL_SMTP_PORT")


def test_last_file_wins(tmp_path: Path):
    for name, port in (("a.env", 25), ("b.env", 26)):
        (tmp_path / name).write_text(f"\nMISTLE_EMAIL_SMTP_PORT={port}\n")
    assert origins(checked(tmp_path, "a.env", "b.env"))["email.smtp.port"] == "b.env:2"
    assert origins(checked(tmp_path, "b.env", "a.env"))["email.smtp.port"] == "a.env:2"


def test_file_that_the_variables_name_is_read(tmp_path: Path):
    file = configs.write(tmp_path, {})
    (tmp_path / "some.env").write_text(f"MISTLE_CONFIG_PATH={file.name}\nNODE_EXTRA_CA_CERTS=/nowhere.pem\n")
    done = preflight("config", "--env-file", "some.env", "-f", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["checks"][0]["target"] == "mistle.toml"
    assert "config.extra-ca-unreadable" in [each["id"] for each in findings(done)]


def test_variables_alone_are_a_configuration(tmp_path: Path):
    configs.write(tmp_path, {})
    variables = configs.environment({})
    (tmp_path / "all.env").write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    done = preflight("config", "--env-file", "all.env", "-f", "json", cwd=tmp_path)
    assert (done.code, origins(done)["global.env"]) == (0, "all.env:1")


def test_variables_that_drivers_read_are_replaced_too(tmp_path: Path):
    """In the program they are removed from the environment."""
    (tmp_path / "prod.env").write_text("MISTLE_ENV=$PGMODE\n")
    assert checked(tmp_path, "prod.env", env={"PGMODE": "production"}).code == 0


def test_secret_is_masked_in_every_form(tmp_path: Path):
    (tmp_path / "prod.env").write_text(
        "PASSWORD='hidden-pass@word'\nMISTLE_KV_DATA_PLANE_URL=rediss2://:${PASSWORD}@valkey:6379\n"
        "MISTLE_SANDBOX_PROVIDER=${PASSWORD}\n"
    )
    done = preflight("config", "--config", configs.write(tmp_path, {}), "--env-file", tmp_path / "prod.env", "-v")
    assert done.code == 1
    assert "hidden-pass" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"A=1\n\n\nKEY: hidden\n", "bad.env:4: write NAME=value, not NAME: value"),
        (b"A=1\nhidden word\n", "bad.env:2: this line is not NAME=value"),
        (b"A=1\nB='hidden\n\n", "bad.env:2: a quote is not closed"),
        (b"A=1\nB=\xff\n", "bad.env:2: is not UTF-8"),
        (b"A=1\nB=x\0y\n", "bad.env:2: a NUL character"),
        (b"A=${hidden-\n", "bad.env:1: ${ is not closed; write $$ for a dollar sign"),
        (b"A=" + b"${A:-" * 60 + b"}" * 60, "bad.env:1: ${ is not closed; write $$ for a dollar sign"),
        (b"A=xxxxxxxx\n" + b"A=$A$A\n" * 40, "bad.env:16: a value is longer than 128 KiB"),
        (b"#" * (1 << 18), "bad.env is larger than 128 KiB"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_line_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path, content: bytes, expected: str):
    (tmp_path / "bad.env").write_bytes(content)
    done = checked(tmp_path, "bad.env")
    assert (done.code, done.stderr) == (2, f"mistle-preflight: --env-file: {expected}\n")
    assert "hidden" not in done.stdout


@pytest.mark.parametrize("name", ["missing.env", "/dev/zero", "."])
def test_file_that_cannot_be_read(tmp_path: Path, name: str):
    done = checked(tmp_path, name)
    assert done.code == 2
    assert done.stderr.startswith(f"mistle-preflight: --env-file: {name} ")
    assert done.stderr.count("\n") == 1


def test_demo_has_a_configuration_of_its_own():
    done = preflight("demo", "--env-file", "some.env")
    assert (done.code, "--env-file: demo makes a configuration of its own" in done.stderr) == (2, True)


def test_formats_name_the_line_of_the_file(tmp_path: Path):
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "prod.env").write_text("\nMISTLE_EMAIL_SMTP_PORT=none\n")
    flags = ("--config", configs.write(tmp_path, {}), "--env-file", folder / "prod.env", "-f", "github")
    done = preflight("config", *flags, env={"GITHUB_WORKSPACE": str(tmp_path)})
    assert "::error file=deploy/prod.env,line=2,title=config.bad-override (config)::" in done.stdout


def test_env_file_in_the_library(tmp_path: Path):
    (tmp_path / "prod.env").write_text("MISTLE_EMAIL_SMTP_PORT=none\n")
    arguments = {"config": configs.write(tmp_path, {}), "only": "smtp", "environ": {}}
    report = check(**arguments, env_file=tmp_path / "prod.env")  # type: ignore[arg-type]
    assert {verdict.key: str(verdict.origin) for verdict in report.keys}["email.smtp.port"] == "prod.env:1"
    with pytest.raises(UsageError, match=r"--env-file: .*missing\.env"):
        check(**arguments, env_file=[tmp_path / "missing.env"])  # type: ignore[arg-type]
