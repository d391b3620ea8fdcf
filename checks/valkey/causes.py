"""The causes of findings about a Valkey server, and how the server's errors map to them."""

from __future__ import annotations

from checks.core import remedy, unexpected
from checks.core.finding import Cause, Layer, Status, causes_in, permanent, temporary
from checks.core.remedy import Remedies

KEPT = "as an administrator; ACL SAVE, or CONFIG REWRITE where there is no aclfile, keeps it"
REWRITTEN = "as an administrator; CONFIG REWRITE keeps it"


def _form(who: str, *words: str) -> Remedies:
    """The general form of such a command, which the catalogue shows."""
    return remedy.line("valkey-cli", f"on the server, {who}", " ".join(("valkey-cli", *words)))


_PERMIT = (*_form(KEPT, "ACL SETUSER … +…"), *_form(KEPT, "ACL SETUSER … '~…:*'"))
_SWITCH_ON = _form(KEPT, "ACL SETUSER … on")
_KEEP_KEYS = _form(REWRITTEN, "CONFIG SET maxmemory-policy noeviction")
_NAME_PRIMARY = remedy.line("shell", "in the directory of the file", "sed -i.bak -E '…s#([/@])…#…#' -- …")

PASSWORD_REJECTED = permanent(
    "valkey.password-rejected",
    Layer.AUTH,
    "the server refuses the user name or the password",
    "correct the user name and password in {url}; special characters must be percent-encoded",
)
PASSWORD_REQUIRED = permanent(
    "valkey.password-required",
    Layer.AUTH,
    "the server requires a password, but the URL holds none",
    "write the password into {url}: redis://:PASSWORD@host:port",
)
PASSWORD_UNEXPECTED = permanent(
    "valkey.password-unexpected",
    Layer.AUTH,
    "the URL holds a password, but the server has none set: Mistle's client treats that as an error",
    "remove the password from {url}, or set requirepass at the server",
)
USER_DISABLED = permanent(
    "valkey.user-disabled",
    Layer.AUTH,
    "the user exists, and is switched off",
    "switch the user on (ACL SETUSER <name> on), or name another one in {url}",
    remedies=_SWITCH_ON,
)
PROTECTED_MODE = permanent(
    "valkey.protected-mode",
    Layer.AUTH,
    "the server is in protected mode: without a password, it only serves clients of its own machine",
    "set a password at the server (requirepass) and write it into {url}: redis://:PASSWORD@host:port",
    former=("network.reset",),
)
SENTINEL = permanent(
    "valkey.sentinel",
    Layer.AUTH,
    "this is a Sentinel, which only names the primary: Mistle's client does not ask it",
    "name the primary itself in {url} (SENTINEL MASTERS lists it), mostly with port 6379",
    former=("valkey.command-failed",),
)
TLS_REQUIRED = permanent(
    "valkey.tls-required",
    Layer.AUTH,
    "the server speaks only TLS on that port",
    "use rediss:// instead of redis:// in {url}",
)
NOT_VALKEY = permanent(
    "valkey.not-valkey",
    Layer.AUTH,
    "a server replies on that port, but it is not Valkey or Redis",
    "correct the host and port in {url}",
)
DATABASE_MISSING = permanent(
    "valkey.database-missing",
    Layer.AUTH,
    "the server has fewer databases than the number in the URL",
    "use a smaller /number in {url}, or raise `databases` at the server",
)
TOO_MANY_CLIENTS = temporary(
    "valkey.too-many-clients",
    Layer.AUTH,
    "the server has no connection left",
    "raise maxclients at the server of {url}, or find who holds the connections (CLIENT LIST)",
)
NOT_PERMITTED = permanent(
    "valkey.not-permitted",
    Layer.ACCESS,
    "the user may not run one of Mistle's commands, or not on its keys",
    "grant it: ACL SETUSER <user> ~<key prefix>:* +get +set +del +zadd +zrem +zremrangebyscore +zcard +eval "
    "(the user in {url}, the prefix in {key_prefix}), and +select where the URL ends in the number of a database",
    blames=("url",),
    remedies=_PERMIT,
)
OUT_OF_MEMORY = permanent(
    "valkey.out-of-memory",
    Layer.ACCESS,
    "the server is at its maxmemory and accepts no more writes",
    "raise maxmemory at the server of {url}, or give Mistle a server of its own",
    blames=("url",),
)
BUSY = temporary(
    "valkey.busy",
    Layer.ACCESS,
    "a script of another client blocks the server: it serves no other client until the script ends",
    "wait for its end, or end it (SCRIPT KILL); give Mistle a server of its own in {url}",
    blames=("url",),
    former=("valkey.command-failed",),
)
LOADING = temporary(
    "valkey.loading",
    Layer.ACCESS,
    "the server is reading its data from disk",
    "wait until it has loaded, then run this again",
    blames=("url",),
)
WRITE_REFUSED = permanent(
    "valkey.write-refused",
    Layer.ACCESS,
    "the server refuses writes until its snapshots or its replicas work again",
    "repair what the server's message names: disk and rights of its data folder (MISCONF), its replicas (NOREPLICAS)",
    blames=("url",),
)
COMMAND_FAILED = permanent(
    "valkey.command-failed",
    Layer.ACCESS,
    "the server refuses one of Mistle's commands for another reason",
    "let the server run the command that its message names (no rename-command, no proxy that lacks it), or name in "
    "{url} one that has GET SET DEL ZADD ZREM ZREMRANGEBYSCORE ZCARD EVAL",
    blames=("url",),
)
REPLICA = permanent(
    "valkey.replica",
    Layer.FITNESS,
    "this is a replica: leases written here are refused or lost",
    "name the primary in {url}",
    blames=("url",),
    remedies=_NAME_PRIMARY,
)
SEVERAL_SERVERS = permanent(
    "valkey.several-servers",
    Layer.FITNESS,
    "connections to one address reach different servers: a name or a load balancer in front of several",
    "let the name in {url}, or the load balancer, lead to the one primary alone: leases on one server are unknown to "
    "the other",
    blames=("url",),
)
CLUSTER_MODE = permanent(
    "valkey.cluster-mode",
    Layer.FITNESS,
    "the server runs in cluster mode, but Mistle's client does not follow its redirections",
    "name a standalone server in {url}, or turn cluster-enabled off",
    blames=("url",),
)
EVICTS_KEYS = permanent(
    "valkey.evicts-keys",
    Layer.FITNESS,
    "the server may drop keys when its memory is full, and a dropped lease loses a running sandbox",
    "set `maxmemory-policy noeviction` at the server of {url}, or give Mistle a server of its own",
    blames=("url",),
    status=Status.WARN,
    remedies=_KEEP_KEYS,
)
UNEXPECTED_REPLY = unexpected.cause("valkey", "Valkey", ("url",))
CAUSES = causes_in(globals())

# Parts of a server's error, most specific first; a word in capitals is the error's code.
_BY_ERROR = (
    ("AUTH <password> called without", PASSWORD_UNEXPECTED),
    ("DB index is out of range", DATABASE_MISSING),
    ("max number of clients reached", TOO_MANY_CLIENTS),
    ("has no permissions to", NOT_PERMITTED),
    ("WRONGPASS", PASSWORD_REJECTED),
    ("NOAUTH", PASSWORD_REQUIRED),
    ("NOPERM", NOT_PERMITTED),
    ("OOM", OUT_OF_MEMORY),
    ("LOADING", LOADING),
    ("BUSY", BUSY),
    ("MISCONF", WRITE_REFUSED),
    ("NOREPLICAS", WRITE_REFUSED),
    ("READONLY", REPLICA),
    ("MASTERDOWN", REPLICA),
    ("CLUSTERDOWN", CLUSTER_MODE),
    ("MOVED", CLUSTER_MODE),
    ("CROSSSLOT", CLUSTER_MODE),
)


def cause_of(error: Exception) -> Cause:
    """The cause that a server's error names. For some errors, redis-py moves the code from the text to an attribute."""
    text = f"{getattr(error, 'status_code', None) or ''} {error}"[:100]
    return next((cause for part, cause in _BY_ERROR if part in text), COMMAND_FAILED)


def is_about_keys(error: Exception) -> bool:
    """Whether the server refuses the keys of a command, not the command."""
    return "access" in str(error) and "key" in str(error)


def is_from_server(error: Exception) -> bool:
    """Whether the server sent the error, not redis-py: such an error has a code, or is a ResponseError."""
    from redis.exceptions import ResponseError

    return isinstance(error, ResponseError) or bool(getattr(error, "status_code", None))
