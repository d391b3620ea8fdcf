"""Whether a text was never filled in, or is written in a form that its key cannot hold."""

from __future__ import annotations

import re

from checks.core.finding import Status
from preflight.config import causes
from preflight.config.javascript import trim
from preflight.config.schema.forms import FORMS, NOTHING, Form
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.types import InvalidValue

_NEVER_FILLED = (causes.UNRESOLVED_REFERENCE, causes.NO_VALUE, causes.QUOTED)
_HEADER = "internal_auth.shared_token.token"
_ATTRIBUTES = "telemetry.resource_attributes"
_WORD = re.compile(rf"[\"']?(?:{NOTHING})[\"']?")


def form_of(key: Key, text: str) -> Form | None:
    """The form of a key's text; None if the text may be the value itself."""
    return next((form for form in FORMS if form.keys(key) and form.pattern.search(text)), None)


def unfilled_value(key: Key, value: object) -> InvalidValue | None:
    """The error for a value whose text, or an item's text, was never filled in. Its type's error would explain less."""
    for text in value if isinstance(value, list) else (value,):
        if isinstance(text, str) and (form := form_of(key, trim(text))) and form.cause in _NEVER_FILLED:
            return InvalidValue(form.cause, form.message(key, trim(text)))
    return None


def status(key: Key, form: Form, text: str) -> Status:
    """A warning where Mistle works with the text: a secret that only its services compare, a telemetry attribute."""
    compared = key.secrecy is Secrecy.CHOSEN and form.cause in (causes.QUOTED, causes.LINE_BREAK)
    fits_no_header = key.path == _HEADER and form.cause is causes.LINE_BREAK
    is_attribute = key.path == _ATTRIBUTES and form.cause is causes.NO_VALUE and "=" in text
    return Status.WARN if is_attribute or (compared and not fits_no_header) else Status.FAIL


def is_word_for_nothing(text: str) -> bool:
    """Whether a text is null or a similar word: no secret, though it stands where one belongs."""
    return bool(_WORD.fullmatch(text))
