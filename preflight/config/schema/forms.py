"""The forms of text that cannot be the value itself: a reference, the word null, quotes, a port in a host name.

Mistle's own schema accepts every text that is not blank; the text then fails where a client uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from checks.core.finding import Cause
from preflight.config import causes
from preflight.config.schema.key import Key, Secrecy
from preflight.config.schema.keys import KEYS
from preflight.config.schema.types import Text, shown

LISTENS = frozenset(key.path for key in KEYS if re.fullmatch(r"services\.\w+\.host", key.path))
DOMAIN, SMTP_HOST, E2B_DOMAIN = "sandbox.publish_base_domain", "email.smtp.host", "sandbox.e2b.domain"
HOSTS = frozenset({*LISTENS, SMTP_HOST, DOMAIN, E2B_DOMAIN})
SOCKET, SENDER = "sandbox.docker.socket_path", "email.smtp.from_name"
TYPOGRAPHIC = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"  # quotes

_Keys = Callable[[Key], bool]


@dataclass(frozen=True)
class Form:
    """One form of such text. ``reason`` is the message, without the text; ``keys``: the keys that cannot hold it."""

    cause: Cause
    reason: str
    pattern: re.Pattern[str]
    keys: _Keys

    def message(self, key: Key, text: str) -> str:
        """The message. What was found is shown, but not of a secret, which a reference may hold as its default."""
        found = self.pattern.search(text)
        if not found or self.cause is causes.LINE_BREAK:
            return self.reason
        if self.cause is causes.NO_VALUE:
            return f"{self.reason}: {shown(found[0])}"
        hidden = key.secrecy is not Secrecy.NONE
        return self.reason if hidden else f"{self.reason}: {shown(found[0] if key.url else text)}"


def _every(_: Key) -> bool:
    return True


def _is(*paths: str) -> _Keys:
    return lambda key: key.path in paths


def _but(*paths: str) -> _Keys:
    return lambda key: key.path not in paths


def _is_secret_text(key: Key) -> bool:
    return key.secrecy is not Secrecy.NONE and not key.url


def _is_url(key: Key) -> bool:
    return key.url


def _has_parts(key: Key) -> bool:
    return not _is_secret_text(key) and key.path != SENDER


def _has_plain_parts(key: Key) -> bool:
    return _has_parts(key) and not key.url


def _is_word(key: Key) -> bool:
    """Whether no value of the key begins or ends with a quote."""
    return not isinstance(key.type, Text) or key.url or key.path in HOSTS


def _is_postgres(key: Key) -> bool:
    return key.path.startswith("postgres.")


NOTHING = (
    r"null|Null|NULL|undefined|None|nil|NaN|<no value>|<nil>|<null>|<none>|\(null\)|\[object Object\]|%!s\(<nil>\)"
)
_ADDRESS = r"^(?:[0-9]+(?:\.[0-9]+){3}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]?)$"
_OF_WINDOWS = r"%(?![0-9A-Fa-f]{2})[A-Z][A-Z0-9_]+%|%[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+%(?![0-9A-Fa-f]{2})"
_EXPANSION = r"\s*[A-Za-z_][\w.]*\s*(?:[:?+=/,#%-][^{}]*)?"  # of a shell, Compose, Spring or Terraform
_STORES = (
    r"op|vault|ref\+\w+|g?sm|gcpsm|gcp-?(?:sm|secrets?)|awssm|awsssm|awsps|aws-?(?:sm|ssm|secrets?)|ssm|akv|azurekeyvault"
    r"|keyvault|secretrefs?|secrets?|doppler|infisical|bws?|bitwarden|keyring|keychain|keeper|conjur|chamber|sops|berglas"
    r"|k8s|kubernetes|env|pass"
)


def _rows(cause: Cause, *rows: tuple[str, str, _Keys]) -> tuple[Form, ...]:
    return tuple(Form(cause, reason, re.compile(pattern), keys) for reason, pattern, keys in rows)


# The first form that matches is reported. A pattern finds nothing in what a random secret may be.
FORMS: tuple[Form, ...] = (
    *_rows(
        causes.UNRESOLVED_REFERENCE,
        ("is still encrypted: nothing decrypted it", r"^(?:ENC[\[(]|\$ANSIBLE_VAULT;|!vault\b|\{cipher\})", _every),
        ("is still encrypted: nothing decrypted it", r"^(?:vault:v[0-9]+:|-----BEGIN (?:PGP|AGE) )", _every),
        (
            "holds an expression that nothing evaluated",
            r"\$\{\{[^{}]*\}\}|<%[=\s][^%]*%>|^!(?:Ref|Sub|GetAtt)\b",
            _every,
        ),
        ("holds a reference to a variable that nothing replaced", rf"[$#]\{{{_EXPANSION}\}}", _every),
        ("holds a command or variable that no shell replaced", r"\$\([A-Za-z_./<][^()]*\)|^`[^`]*\s[^`]*`$", _every),
        ("holds a variable that no shell replaced", r"^\$[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^\$env:\w+$", _every),
        (
            "holds a variable that no shell replaced",
            r"(?:^|(?<=[:/@=,.]))\$[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?=$|[:/@?&=,.])|(?<=//)\$[A-Z]\w*|(?<=@)\$\w+(?=$|[:/.])",
            _is_url,
        ),
        (
            "holds a variable that no shell replaced",
            r"(?:^|(?<=[:/@=,.]))\$[A-Z_][A-Z0-9_]*(?=$|[:/@?&=,.])",
            _has_plain_parts,
        ),
        ("holds a variable that nothing replaced", _OF_WINDOWS, lambda key: not _is_secret_text(key)),
        ("holds a variable that nothing replaced", r"^%[A-Z][A-Z0-9_]+%$", _is_secret_text),
        (
            "is a token that nothing replaced",
            r"^(?:__[A-Z][A-Z0-9_]*__|@@?[A-Z][A-Z0-9_]*@@?|#\{?[A-Z]\w*\}?#)$",
            _every,
        ),
        ("is a reference to a variable that nothing resolved", r"^(?:process\.env|os\.environ|ENV)[.\[/]", _every),
        ("is a reference to a variable that nothing resolved", r"^env:[A-Z][A-Z0-9_]*$", _every),
        ("is a reference to a secret store that nothing resolved", rf"^(?:{_STORES}):(?://|/)", _every),
        (
            "is a reference to a secret store that nothing resolved",
            r"^(?:vault:[\w-]+/|secretref:[\w-]|(?:aws-?)?ssm:[\w-]+/|@Microsoft\.KeyVault\()",
            _every,
        ),
        (
            "is a reference to a secret store that nothing resolved",
            r"^arn:aws[\w-]*:(?:secretsmanager|ssm|kms):|^https://[\w.-]+\.vault\.azure\.net/"
            r"|^(?://secretmanager\.googleapis\.com/)?projects/[^/]+/secrets/",
            _every,
        ),
        (
            "is the path of a file, but Mistle does not read the value from one",
            r"^(?:file://|(?:(?:/var)?/run|/etc|/mnt|/vault|/opt)?/secrets?(?:-store)?/)"
            r"|^/[\w./-]+\.(?:txt|key|pem|secret|token)$",
            _but(SOCKET),
        ),
    ),
    *_rows(
        causes.NO_VALUE,
        ("holds the word for a value that does not exist", rf"^[\"']?(?:{NOTHING})[\"']?$", _every),
        (
            "holds the word for a value that does not exist",
            rf"(?:^|(?<=[:/@?&=,#.]))(?:{NOTHING})(?=$|[:/@?&=,#.])",
            _has_parts,
        ),
    ),
    *_rows(
        causes.QUOTED,
        (
            "begins and ends with quotes, which are part of the value",
            rf"""^(?:"(?s:.*)"|'(?s:.*)'|[{TYPOGRAPHIC}](?s:.*)[{TYPOGRAPHIC}])$""",
            _but(SENDER),
        ),
        (
            "begins and ends with backticks, which are part of the value",
            r"^`(?s:.*)`$",
            lambda key: key.path != SENDER and not _is_secret_text(key),
        ),
        (
            "begins or ends with a quote, which is part of the value",
            rf"""^["'`{TYPOGRAPHIC}]|["'`{TYPOGRAPHIC}]$""",
            _is_word,
        ),
    ),
    *_rows(causes.LINE_BREAK, ("holds a line break", r"[\r\n]", _every)),
    *_rows(
        causes.NOT_A_HOST,
        ("holds a scheme, but must be a host name", r"^[A-Za-z][\w+.-]*://", _is(*HOSTS)),
        ("holds an @, but must be a host name", r"@", _is(*HOSTS)),
        ("holds a space, but must be a host name", r"\s", _is(*HOSTS)),
        ("begins with a wildcard, which Mistle adds itself", r"^\*\.?", _is(DOMAIN)),
        ("holds a *, but must be a host name", r"\*", _is(*HOSTS)),
        ("begins with a dot", r"^\.", _is(*HOSTS)),
        ("is an IP address, but must be a domain name, which can have subdomains", _ADDRESS, _is(DOMAIN)),
        ("holds a path, but must be a host name", r"/", _is(*HOSTS)),
        ("holds a port, which has a key of its own", r"^[^:\[]*:[0-9]*$|^\[.*\]:[0-9]*$", _is(SMTP_HOST, *LISTENS)),
        ("holds a port, but must be a host name", r":[0-9]*$", _is(DOMAIN)),
        ("holds brackets, but an IPv6 address is written without them here", r"[\[\]]", _is(SMTP_HOST, *LISTENS)),
    ),
    *_rows(
        causes.NOT_A_PATH,
        ("begins with ~, which only a shell replaces", r"^~", _is(SOCKET)),
        (
            "is a named pipe of Windows, but Mistle uses a Unix socket",
            r"^(?:npipe:|[/\\]{2}[.?][/\\]pipe)",
            _is(SOCKET),
        ),
        ("is a path of Windows, but Mistle uses a Unix socket", r"^[A-Za-z]:[/\\]|\\", _is(SOCKET)),
        ("is a URL, but must be the path alone", r"^(?:unix|file):", _is(SOCKET)),
        ("is an address of the network, but Mistle uses a Unix socket", r"^[a-z]+://", _is(SOCKET)),
        (
            "names a file whose path begins with ~, which only a shell replaces",
            r"(?<=[?&])(?:sslrootcert|sslcert|sslkey|host)=~",
            _is_postgres,
        ),
    ),
)
