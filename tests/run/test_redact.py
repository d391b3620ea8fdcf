"""Every secret is masked, in any encoding; and a masked report is still readable."""

import base64
import hashlib
import html
import json
import quopri
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from checks.core.text import clean
from preflight.redaction.normal_form import without_spaces
from preflight.redaction.own_text import is_own_word
from preflight.redaction.redactor import MASK, Redactor

ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "URL": lambda text: quote(text, safe=""),
    "URL, slashes kept": quote,
    "URL, lower case": lambda text: "".join(
        f"%{byte:02x}" if not chr(byte).isalnum() or byte > 127 else chr(byte) for byte in text.encode()
    ),
    "form": quote_plus,
    "URL, every character": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "JSON": lambda text: json.dumps({"echo": text}),
    "JSON, not ASCII": lambda text: json.dumps([text], ensure_ascii=False),
    "repr": repr,
    "repr in a longer text": lambda text: repr(f"\"it's {text}"),
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "HTML": html.escape,
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "Basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "Basic, other user": lambda text: base64.b64encode(f"users:{text}".encode()).decode(),
    "base64, last": lambda text: base64.b64encode(f"x:{text}".encode()).decode(),
    "upper case": str.upper,
    "lower case": str.lower,
    "title case": str.title,
    "hexadecimal, 0x": lambda text: ", ".join(f"0x{octet:02x}" for octet in text.encode()),
    "decimal, in brackets": lambda text: str([*text.encode()]),
    "decimal, of a Buffer in JSON": lambda text: json.dumps({"data": [*text.encode()]}, separators=(",", ":")),
    "decimal, signed": lambda text: ", ".join(str(octet - 256 * (octet > 127)) for octet in text.encode()),
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "quoted-printable, every character": lambda text: "".join(f"={octet:02X}" for octet in text.encode()),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"user:{text}?".encode()).decode(),
}


def has_five_signs(secret: str) -> bool:
    """False for a secret that is masked as a separate word only."""
    return len(without_spaces(secret).text) >= 5


TEXTS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\ufffd*"),  # U+FFFD is what could not be read
    min_size=8,
    max_size=60,
)
SECRETS = TEXTS.filter(lambda text: len(text.strip()) >= 8 and has_five_signs(text))


def core(encoded: str, encoding: str) -> str:
    """The part of an encoded secret that must be masked; in base64 its ends share characters with other text."""
    return encoded[10:-4] if "64" in encoding or "Basic" in encoding else encoded


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(secret=SECRETS, words=st.text(st.characters(categories=("L", "Z")), max_size=20))
@example(secret="p@ss w'rd/%20\"", words="a")
@example(secret="two\nlines  and\tmore", words="a")
@example(secret="pass+word==x", words="")
@example(secret="000    0", words="")  # few characters, with much white space between them
@example(secret="00000\x1f\x9b0", words="")  # the end is like a sequence of a terminal
@example(secret="000000'\\", words="")  # the end is like an escape
@example(secret="000000m:", words="")  # after a bracket, its beginning is like a colour of a terminal
def test_secret_is_masked_in_every_encoding(encoding: str, secret: str, words: str):
    assume(secret not in words and len(clean(secret)) >= 5)
    shown = Redactor([secret])(f"{words} [{ENCODINGS[encoding](secret)}] {words}")
    assert secret not in shown
    assert core(ENCODINGS[encoding](secret), encoding) not in shown
    assert MASK in shown


@given(secret=SECRETS)
def test_secret_is_masked_after_clean(secret: str):
    assume(len(clean(secret)) >= 5)
    assert clean(secret) not in Redactor([secret])(clean(f"server said: {secret} is wrong"))


@given(first=SECRETS, second=SECRETS, length=st.integers(1, 7))
@example(first="000000\r<", second="000000\r<", length=1)
@example(first="000001 \x1b", second="\x1b 000000", length=1)
def test_overlapping_secrets_are_masked_completely(first: str, second: str, length: int):
    """The text beside them is in neither secret, or it could be a part of one. White space at their ends may stay."""
    beside = next((sign for sign in "<|~^" if sign not in first + second), "")
    assume(beside)
    joined, overlap = first + second[:length], first + second
    shown = Redactor([first, joined])(f"{beside}{joined}{beside}")
    assert without_spaces(shown).text.replace(MASK * 2, MASK) == f"{beside}{MASK}{beside}"
    shown = Redactor([overlap[: len(first) + 2], overlap[len(first) - 2 :]])(f"{beside}{overlap}{beside}")
    assert without_spaces(shown).text.replace(MASK * 2, MASK) == f"{beside}{MASK}{beside}"


@pytest.mark.parametrize("encoding", ["raw", "JSON", "JSON, not ASCII", "repr", "ascii", "URL", "form", "SQL"])
@pytest.mark.parametrize("secret", ["000   \x1a0", "0 0   0\U000101fe", "\x07 ab"])
def test_short_secret_with_odd_characters_is_masked_as_a_word(encoding: str, secret: str):
    encoded = ENCODINGS[encoding](secret)
    assert encoded not in Redactor([secret])(f"words [{encoded}] words")


@given(secret=SECRETS, text=st.text(max_size=80))
def test_masking_twice_changes_nothing(secret: str, text: str):
    """A word of this program is masked as a separate word only, and the mask before it makes it one."""
    assume(not is_own_word(without_spaces(secret).text))
    redact = Redactor([secret])
    assert redact(redact(text + secret)) == redact(text + secret)


@pytest.mark.parametrize("secret", ["abcdef" * 700, "x" * 4000, "é" * 2000])
def test_long_secret_that_the_limit_cut_off_is_masked(secret: str):
    shown = Redactor([secret])(clean(f"invalid password: {secret}"))
    assert shown == f"invalid password: {MASK}…"


@pytest.mark.parametrize("secret", ["a", "db", "1", "mist", "password", "localhost", "postgres"])
def test_short_or_common_secret_is_masked_only_as_a_separate_word(secret: str):
    redact = Redactor([secret])
    assert redact(f"no {secret}, sorry") == f"no {MASK}, sorry"
    assert redact(f"x{secret}x and {secret}s") == f"x{secret}x and {secret}s"


def test_secret_in_a_file_name_does_not_mask_the_origin():
    place = "postgres.control_plane.direct_url (mistle.toml:42)"
    redact = Redactor(["mistle"], public=[place])
    assert redact(f"correct the password in {place}") == f"correct the password in {place}"
    assert redact("user mistle of mistletoe") == f"user {MASK} of mistletoe"


def test_encoded_secret_is_masked_decoded():
    assert Redactor(["p%40ssw%2Frd"])("tried p@ssw/rd") == f"tried {MASK}"


def test_each_long_line_of_a_secret_is_masked():
    assert Redactor(["first line here\nsecond line"])("at second line of x") == f"at {MASK} of x"


@pytest.mark.parametrize("secrets", [[], [""], ["   "]])
def test_without_secrets_the_text_is_the_same(secrets: list[str]):
    assert Redactor(secrets)("connection refused by 10.0.0.1:5432") == "connection refused by 10.0.0.1:5432"


def test_short_secret_is_masked_in_a_traceback():
    assert Redactor(["hunt"])("Traceback:\n\tKeyError: 'hunt'\n") == f"Traceback:\n\tKeyError: '{MASK}'\n"


@pytest.mark.parametrize("limit", range(24, 60))
def test_secret_that_was_cut_off_before_other_text_is_masked(limit: int):
    secret = "zwölf Böxkämpfer " * 10
    text = clean(f"no password {quote(secret)}", limit)
    shown = Redactor([secret])(f"{text} (HTTP 403)")
    assert re.fullmatch(r"no password \*{3}(%20|%\w?)?… \(HTTP 403\)", shown), shown


@pytest.mark.parametrize("limit", range(30, 60))
def test_secret_in_base64_that_was_cut_off_is_masked(limit: int):
    secret = "пароль-из-букв-" * 5
    text = clean(f"no password {base64.b64encode(secret.encode()).decode()}", limit)
    assert Redactor([secret])(f"{text} (HTTP 403)") == f"no password {MASK} (HTTP 403)"


def test_part_of_a_long_secret_is_masked():
    secret = "correct horse battery staple"
    assert Redactor([secret])("args beginning with: 'correct horse bat' and more") == (
        f"args beginning with: '{MASK}' and more"
    )
    assert Redactor([secret])("the horse is correct") == "the horse is correct"


@pytest.mark.parametrize("form", ["hex", "HEX", "68:75", "68 75", "base64 of base64", "JSON in JSON", "URL in a URL"])
def test_secret_is_masked_in_an_encoding_of_an_encoding(form: str):
    secret = 'hunter2 "ä" <%>'
    octets = secret.encode()
    encoded = {
        "hex": octets.hex(),
        "HEX": octets.hex().upper(),
        "68:75": octets.hex(":"),
        "68 75": octets.hex(" "),
        "base64 of base64": base64.b64encode(base64.b64encode(octets)).decode(),
        "JSON in JSON": json.dumps(json.dumps(secret)),
        "URL in a URL": quote(quote(secret)),
    }[form]
    assert Redactor([secret])(f"at <{encoded}>").strip('at <>"\\') == MASK


@pytest.mark.parametrize("text", ["127.0.0.1:5432", "HTTP 1.1", "mistle.toml:3", "a-1", "1-a"])
@pytest.mark.parametrize("secret", ["1", "mistle", "a"])
def test_short_or_common_secret_is_not_masked_inside_a_name(secret: str, text: str):
    assert Redactor([secret])(f"see {text}.") == f"see {text}."


@pytest.mark.parametrize(
    "made",
    ["eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI4In0.c2lnbmF0dXJl", "eyJhbGciOiJIUzI1", "d" * 64, "md5" + "0f" * 16],
)
def test_token_derived_from_a_secret_is_masked(made: str):
    assert Redactor()(f"not {made}, no") == f"not {MASK}, no"


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
@pytest.mark.parametrize("place", ["password {}", "{{MD5}}{}", "sha256:{}", "of user md5{}"])
def test_digest_of_a_secret_is_masked(name: str, case: Callable[[str], str], place: str):
    digest = case(hashlib.new(name, b"Op3n-Sesame!").hexdigest())
    shown = Redactor(["Op3n-Sesame!"])(place.format(digest))
    assert MASK in shown
    assert digest[3:15] not in shown


@pytest.mark.parametrize("length", [32, 40, 128])
def test_other_digest_is_shown(length: int):
    text = f"the server's id is {'0f' * (length // 2)}"
    assert Redactor(["Op3n-Sesame!"])(text) == text


def test_digest_of_an_image_is_shown():
    image = f"ghcr.io/mistlehq/sandbox-base@sha256:{'0f' * 32}"
    assert Redactor(["hunter2"])(f"{image} is available") == f"{image} is available"


def test_public_text_of_one_call_is_masked_in_another():
    redact = Redactor(["postgres-1"])
    assert redact("postgres-1:5432/mistle", frozenset({"postgres-1"})) == "postgres-1:5432/mistle"
    assert redact("no user postgres-1") == f"no user {MASK}"


def test_short_secret_behind_a_control_character_is_a_separate_word():
    assert Redactor(["hunt"])(clean("sent p\0\0\0\x09hunt\0 and user\0hunt")) == f"sent p {MASK} and user {MASK}"


def test_wrapped_encoding_of_a_secret_is_masked():
    secret = "".join(f"%{number:02x}\\" for number in range(60))
    wrapped = "\n".join(re.findall(".{1,76}", json.dumps(secret)))
    assert Redactor([secret])(clean(f"said {wrapped}")) == f'said "%{MASK}"'  # it begins with the %00 of a control
