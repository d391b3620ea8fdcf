"""The line of each key, and files that are no configuration."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preflight.config.loader import ConfigError, load
from preflight.config.origin import DEFAULT, InFile
from tests.harness.configs import Raw, environment, write

API = "services.control_plane_api"
KEYS = b"services.control_plane_api.integrations.master_encryption_keys"


def test_lines_of_every_way_to_write_a_key(tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(
        'sandbox.tokens.connect = {secret = "a",\tissuer = "b"}\r\n'
        "# a comment\r\n\r\n"
        "[ services . 'control_plane_api' . auth ]\r\n"
        "trusted_origins = [ # over\r\n"
        '  "https://a.example", # several\r\n'
        "]\r\n"
        'secret = """\r\n'
        "port = 1\r\n"
        '"""\r\n'
        "otp.length = 5\r\n"
        "[email]\r\n"
        'smtp."port" = 25',
        newline="",
    )
    origins = load(file, {}).origins
    assert {path: origin.line for path, origin in origins.items() if origin != DEFAULT} == {
        "sandbox.tokens.connect.secret": 1,
        "sandbox.tokens.connect.issuer": 1,
        f"{API}.auth.trusted_origins": 5,
        f"{API}.auth.secret": 8,
        f"{API}.auth.otp.length": 11,
        "email.smtp.port": 13,
    }


def test_lines_of_a_huge_file_are_limited(tmp_path):
    items = "  'x',\n" * 15000
    config = load(write(tmp_path, {"global.zzz": Raw(f"[\n{items}]")}), {})
    assert config.origins["global.env"] == InFile("mistle.toml", 2)
    assert config.origins["email.smtp.port"] == InFile("mistle.toml")


def write_bytes(content: bytes):
    def make(directory: Path) -> Path:
        path = directory / "mistle.toml"
        path.write_bytes(content)
        return path

    return make


def make_directory(directory: Path) -> Path:
    return directory


def make_pipe(directory: Path) -> Path:
    os.mkfifo(directory / "pipe.toml")
    return directory / "pipe.toml"


def make_huge(directory: Path) -> Path:
    path = directory / "huge.toml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    return path


def make_loop(directory: Path) -> Path:
    (directory / "loop.toml").symlink_to(directory / "loop.toml")
    return directory / "loop.toml"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (write_bytes(b"a = '\xff'"), "is not UTF-8 (at byte 5)"),
        (write_bytes("a = 1".encode("utf-16")), "is UTF-16"),
        (write_bytes(b"\xef\xbb\xbfa = 1"), "byte order mark"),
        (write_bytes(b"a = 1\nb = '\0'"), "NUL character (line 2)"),
        (write_bytes(b"a = 1\nsesame open"), "(line 2, column 8)"),
        (write_bytes(b"a = sesame"), "a value is not TOML: text needs quotes (line 1, column 5)"),
        (write_bytes(b"a = 'sesame"), "is not closed (at the end of the file)"),
        (write_bytes(b"[sesame]\n[sesame]"), "a table is given twice (line 2"),
        (write_bytes(b"sesame = 1\nsesame = 2"), "a key or table is given twice"),
        (write_bytes(b"sesame = {a = 1, a = 2}"), "a key is given twice"),
        (write_bytes(b"sesame = {a = 1}\n[sesame.b]"), "given twice (line 2"),
        (write_bytes(b"sesame = []\n[[sesame]]"), "extended after it was complete (line 2"),
        (
            write_bytes(b"[email.smtp]\nport = 1\n[kv]\n[email.smtp] # sesame\n"),
            "[email.smtp] is given twice (lines 1 and 4)",
        ),
        (
            write_bytes(b"[email.smtp]\nport = 1\npassword = 'sesame'\nport = 2"),
            "email.smtp.port is given twice (lines 2 and 4)",
        ),
        (
            write_bytes(b"email.smtp.port = 1\n[email]\nsmtp = {host = 'sesame'}"),
            "[email] is given twice (lines 1 and 2)",
        ),
        (write_bytes(b"sandbox = {provider = 'sesame'}\n[sandbox]"), "[sandbox] is given twice (lines 1 and 2)"),
        (write_bytes(b"[" + KEYS + b"]\n1 = 'sesame'\n1 = ''"), ".1 is given twice (lines 2 and 3)"),
        (write_bytes(b"[" + KEYS + b"]\nsesame = ''\nsesame = ''"), "a key or table is given twice (at the end"),
        (write_bytes("a = 1\nb = “sesame”".encode()), "has typographic quotes: write straight ones (line 2, column 5)"),
        (write_bytes("b = \u2018sesame\u2019".encode()), "has typographic quotes: write straight ones (line 1"),
        (write_bytes(b"a = 1 # \x01 sesame"), "a control character (line 1"),
        (write_bytes(b'a = "\\q sesame"'), "double it, or use single quotes"),
        (write_bytes(b"a = [1"), "a bracket is not closed"),
        (write_bytes(b"a = 2026-02-30"), "line 1"),
        (write_bytes(b"a = " + b"[" * 100000), "nested too deeply"),
        (write_bytes(b"a." * 50000 + b"a = 1"), "nested too deeply"),
        (write_bytes(b"[" + b"'a' . \"b\"\t." * 5000 + b"a]"), "nested too deeply"),
        (write_bytes(b"a = " + b"9" * 5000), "thousands of digits"),
        (make_directory, "is a directory"),
        (make_pipe, "could not be read to its end in time"),
        (make_huge, "is larger than 128 KiB"),
        (make_loop, "cannot be read: too many levels of symbolic links"),
        (lambda directory: directory / "none.toml", "cannot be read: no such file or directory"),
        (lambda directory: directory / ("x" * 300), "cannot be read: file name too long"),
        (lambda directory: write(directory) / "x", "cannot be read: not a directory"),
        (lambda directory: Path("/dev/zero"), "is neither a file nor a pipe"),
        (lambda directory: Path("a\0b"), "cannot be read: embedded null byte"),
    ],
)
def test_bad_file_is_one_clear_line(tmp_path, make, expected):
    path = make(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(path, {}, 0.5)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(str(path)[:200]) or "null" in message
    assert "\n" not in message
    assert "sesame" not in message


def test_file_without_permission(tmp_path):
    path = write(tmp_path)
    path.chmod(0)
    with unprivileged(), pytest.raises(ConfigError, match=r"mistle\.toml cannot be read: permission denied$"):
        load(path, {})


@contextmanager
def unprivileged() -> Iterator[None]:
    """As a user who may not read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0"])
def test_blank_config_path_is_an_error(blank):
    with pytest.raises(ConfigError, match=r"^MISTLE_CONFIG_PATH is set but blank: name the file"):
        load(None, {"MISTLE_CONFIG_PATH": blank, **environment()})


def test_no_configuration_is_an_error():
    with pytest.raises(ConfigError, match=r"^there is no configuration: name a file"):
        load(None, {"PATH": "/bin"})


def test_variable_that_is_not_utf8(tmp_path):
    config = load(write(tmp_path), {"MISTLE_EMAIL_SMTP_FROM_NAME": "caf\udce9"})
    assert config.values["email.smtp.from_name"] == "caf\ufffd"
