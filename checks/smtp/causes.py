"""The causes of findings about a mail server, or about its host, port, login and sender in the configuration."""

from __future__ import annotations

from checks.core import remedy, unexpected
from checks.core.finding import Layer, Status, causes_in, permanent, temporary

WAIT_LONGER = (
    "run this again with --timeout 60: a mail server may be slow, because it looks up this machine's name, or keeps "
    "clients waiting that it does not know; if no reply comes then either, look for this connection in its log, and on "
    "the way for a device that drops packets (a firewall, the MTU), or correct {blamed}"
)
"""The hint for a reply that did not come: Mistle waits longer than a run by default."""
SILENT_DNS = (
    "make the name server in /etc/resolv.conf reachable from here, or write the address in place of the name into "
    "{host}, if the server's certificate holds it"
)
HOSTS_FILE_DIFFERS = permanent(
    "smtp.hosts-file-differs",
    Layer.DNS,
    "Mistle's mail client asks DNS before /etc/hosts, and DNS has another address for the name, or sends no reply",
    "give the name the right address in DNS, or remove it from /etc/hosts; to use an address that is not in DNS, write "
    "it in place of the name into {host}, if the server's certificate holds it",
    blames=("host",),
    status=Status.WARN,
)
NOT_SMTP = permanent(
    "smtp.not-smtp",
    Layer.CONNECT,
    "a server replies on that port, but it is not a mail server",
    "correct {port} (587 or 465 at most mail servers), or the host name in {host}",
    blames=("port",),
)
TLS_FROM_FIRST_BYTE = permanent(
    "smtp.tls-from-first-byte",
    Layer.TLS,
    "the server on that port speaks TLS from the first byte, but Mistle waits for a greeting without TLS",
    "set {secure} to true; or, to keep it false, name the server's port for STARTTLS in {port} (mostly 587)",
    blames=("secure",),
    remedies=remedy.edit("secure", True),
)
PLAINTEXT = permanent(
    "smtp.plaintext",
    Layer.TLS,
    "the server on that port greets without TLS, but Mistle asks for TLS from the first byte",
    "set {secure} to false; or, to keep it true, name the server's port for TLS in {port} (mostly 465)",
    blames=("secure",),
    remedies=remedy.edit("secure", False),
)
STARTTLS_NOT_OFFERED = permanent(
    "smtp.starttls-not-offered",
    Layer.TLS,
    "Mistle continues without TLS: others on the network can read the password and every one-time password",
    "name a port with TLS in {port} (587 with STARTTLS; 465 with {secure} = true), or turn STARTTLS on at the server",
    blames=("port",),
    status=Status.WARN,
)
STARTTLS_REFUSED = permanent(
    "smtp.starttls-refused",
    Layer.TLS,
    "the server offers STARTTLS and then refuses it; Mistle does not continue without TLS",
    "repair TLS at the server of {host}: its log names what is wrong with its certificate or key",
    blames=("host",),
)
CREDENTIALS_REJECTED = permanent(
    "smtp.credentials-rejected",
    Layer.AUTH,
    "the server refuses the user name or the password, and does not report which",
    "correct the password in {password} and the user name in {username}; "
    "many providers want an app password or an API key there",
    blames=("password",),
)
LOGIN_DISABLED = permanent(
    "smtp.login-disabled",
    Layer.AUTH,
    "the provider allows no login with a password for this account, whatever the password is",
    "turn logins over SMTP on for the account of {username} at its provider (Microsoft 365: Set-CASMailbox "
    "-SmtpClientAuthenticationDisabled $false, and the same for the tenant), or name another server in {host}",
    blames=("username",),
    former=("smtp.credentials-rejected",),
)
AUTH_NOT_OFFERED = permanent(
    "smtp.auth-not-offered",
    Layer.AUTH,
    "the server offers no login: Mistle sends without one, and does not report it",
    "name the port where the server offers a login in {port} (587 or 465); if it is to take mail from here without "
    "one, change nothing: {username} and {password} have no effect",
    blames=("username",),
    status=Status.WARN,
)
AUTH_MECHANISM = permanent(
    "smtp.auth-mechanism",
    Layer.AUTH,
    "the server offers no login that Mistle's client has: PLAIN, LOGIN or CRAM-MD5",
    "turn on PLAIN or LOGIN at the server of {host}, or name a server there whose accounts have a password for SMTP: "
    "Mistle has no token for OAuth",
    blames=("host",),
)
AUTH_UNAVAILABLE = temporary(
    "smtp.auth-unavailable",
    Layer.AUTH,
    "the server cannot check any password now",
    "repair the service that checks passwords for the server of {host} (saslauthd, Dovecot, LDAP); if it counts logins "
    "or mails, wait; then run this again",
    blames=("host",),
)
TLS_REQUIRED = permanent(
    "smtp.tls-required",
    Layer.AUTH,
    "the server requires TLS, but offers none on that port",
    "name the server's port with TLS in {port} (587 with STARTTLS; 465 with {secure} = true)",
    blames=("port",),
)
AUTH_REQUIRED = permanent(
    "smtp.auth-required",
    Layer.ACCESS,
    "the server takes mail only after a login that it does not offer on that port",
    "name the server's port for submission in {port} (587 with {secure} = false, 465 with true)",
    blames=("port",),
)
SENDER_MALFORMED = permanent(
    "smtp.sender-malformed",
    Layer.ACCESS,
    "the sender is not one bare e-mail address",
    "write one address and nothing else into {from_address}: mistle@example.com",
    blames=("from_address",),
)
SENDER_NAME = permanent(
    "smtp.sender-name",
    Layer.ACCESS,
    "the sender's name holds an address in brackets, or a bracket or quote without its end: Mistle's client then takes "
    "another sender from it, or none",
    "write a plain name, without < > ( ) and quotes, into {from_name}",
    blames=("from_name",),
)
SENDER_INTERNATIONAL = permanent(
    "smtp.sender-needs-smtputf8",
    Layer.ACCESS,
    "the sender's name before the @ has other letters than ASCII, but the server has no SMTPUTF8 for it",
    "name a sender with ASCII letters before the @ in {from_address}, or turn SMTPUTF8 on at the server of {host}; "
    "the servers of the recipients need it too",
    blames=("from_address",),
    former=("smtp.sender-refused",),
)
SENDER_REFUSED = permanent(
    "smtp.sender-refused",
    Layer.ACCESS,
    "the server does not let this login send as that address",
    "name an address in {from_address} that {username} may send as, or allow it at the server",
    blames=("from_address",),
)
GREETING_LATE = permanent(
    "smtp.greeting-late",
    Layer.CONNECT,
    "the server greets late: every mail waits as long, and Mistle gives up after 30 s",
    "find what the server of {host} waits for before it greets: the name of this machine's address (a PTR record), or "
    "a delay for clients that it does not know (greet_pause, postscreen, tarpit)",
    blames=("host",),
    status=Status.WARN,
)
GREETING_REFUSED = permanent(
    "smtp.greeting-refused",
    Layer.ACCESS,
    "the server refuses this machine at the greeting or at EHLO, or has no room now",
    "let this machine in at the server of {host} (its log names the rule); with 421, wait and run this again",
    blames=("host",),
)
CLIENT_REFUSED = permanent(
    "smtp.client-refused",
    Layer.ACCESS,
    "the server takes no mail from this machine, with any login",
    "allow this machine's address and name at the server of {host}; if a blocklist has the address, have it removed "
    "there; if its name is at fault, give the address a PTR record",
    blames=("host",),
)
RELAY_REFUSED = permanent(
    "smtp.relay-refused",
    Layer.ACCESS,
    "the server passes no mail on for this client; as a warning: only to the sender's own domain",
    "allow it to relay at the server of {host}, or name the port where the server lets it log in, in {port}; "
    "if all users have addresses in the domains of that server, ignore this",
    blames=("host", "port"),
)
MAIL_REFUSED = permanent(
    "smtp.mail-refused",
    Layer.ACCESS,
    "the server refuses every envelope that was tried, and does not report because of which address",
    "look for this reply in the log of the server of {host}, which names the rule that refuses; allow {from_address} "
    "and {username} there",
    blames=("from_address",),
    status=Status.WARN,
)
SIZE_LIMIT = permanent(
    "smtp.size-limit",
    Layer.ACCESS,
    "the server takes only messages that are smaller than a mail with a one-time password may be",
    "raise the limit of a message at the server of {host} to a megabyte or more (Postfix: message_size_limit), "
    "or name another server there",
    blames=("host",),
    former=("smtp.sender-refused",),
)
UNAVAILABLE = temporary(
    "smtp.unavailable",
    Layer.ACCESS,
    "the server puts all mail off for now",
    "look at the log of the server of {host} for what it lacks (disk space, a limit of messages, a server behind it "
    "that does not reply), repair that, then run this again",
    blames=("host",),
)
UNEXPECTED_REPLY = unexpected.cause("smtp", "a mail server", ("host", "port"))
CAUSES = causes_in(globals())
