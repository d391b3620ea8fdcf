"""The causes that are not findings of their own: facts that several findings share."""

from __future__ import annotations

from checks.core.finding import Layer, causes_in, permanent, temporary

NO_NETWORK = temporary(
    "incident.no-network",
    Layer.CONNECT,
    "nothing beyond this machine can be reached: its own network, or what may leave it, is at fault",
    "look at this machine's addresses and routes (ip addr, ip route), and at the rules for outgoing connections "
    "(security group, network policy, firewall)",
    blames=(),
)
NAME_SERVER = temporary(
    "incident.name-server",
    Layer.DNS,
    "no name can be looked up: the name server is at fault, and not the names",
    "make the name server in /etc/resolv.conf reachable from here, or name another one there",
    blames=(),
)
ZONE = temporary(
    "incident.zone",
    Layer.DNS,
    "no name of one domain can be looked up: its zone, or the network in which its names exist, is at fault",
    "look at the zone and its name servers (dig NS); names without a domain exist in one network only "
    "(of Compose, of a Kubernetes namespace): run this there",
    blames=(),
)
HOST_DOWN = temporary(
    "incident.host-down",
    Layer.CONNECT,
    "no port of one host accepts a connection: the host is down, or cut off from here",
    "start the host, or what runs on it; open the way from here to there (firewall, security group, network policy)",
    blames=(),
)
PRIVATE_AUTHORITY = permanent(
    "incident.private-authority",
    Layer.TLS,
    "several servers show certificates of one issuer that is not trusted here: a private authority, "
    "or a proxy that reads TLS connections",
    "put the issuer's certificate into a file, and name it in NODE_EXTRA_CA_CERTS for Mistle (here also --ca-file); "
    "if it is a proxy, let Mistle's connections pass it unread",
    blames=(),
)
CLOCK = permanent(
    "incident.clock",
    Layer.TLS,
    "this machine's clock is wrong: certificates and signatures are refused for their times",
    "set this machine's clock: let it follow a time server (timedatectl set-ntp true)",
    blames=(),
)
PASSWORD_CHANGED = permanent(
    "incident.password-changed",
    Layer.AUTH,
    "every Postgres URL with one user and password is refused: it was changed on the server, or is wrong here",
    "write the user's present password into the key of each of these URLs",
    blames=(),
)
TOKEN_WRONG_HERE = permanent(
    "incident.token-wrong-here",
    Layer.AUTH,
    "all of Mistle's services refuse the shared token: it is another one here than where they run",
    "write the token with which the services run into internal_auth.shared_token.token here, "
    "or restart them with this one",
    blames=(),
)
VANTAGE = temporary(
    "incident.vantage",
    Layer.CONNECT,
    "everything fails from one place, and works from others: that place's own network is at fault",
    "look at the network of that node or namespace: its routes, its name server, its network policies",
    blames=(),
)
CAUSES = causes_in(globals())
