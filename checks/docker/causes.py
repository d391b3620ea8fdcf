"""The causes of findings about a Docker Engine, and how its messages map to them."""

from __future__ import annotations

from http import HTTPStatus

from checks.core import unexpected
from checks.core.finding import Cause, Layer, Status, causes_in, permanent, temporary
from checks.docker import remedies

SOCKET_MISSING = temporary(
    "docker.socket-missing",
    Layer.CONNECT,
    "the path of the socket does not exist",
    "start the Docker daemon, mount its socket into this container, or correct the path in {socket_path}",
)
NOT_A_SOCKET = permanent(
    "docker.not-a-socket",
    Layer.CONNECT,
    "the path is not a socket; Docker itself creates a directory when it mounts a socket that is missing",
    "name the daemon's Unix socket in {socket_path}, usually /var/run/docker.sock",
)
PERMISSION_DENIED = permanent(
    "docker.permission-denied",
    Layer.CONNECT,
    "this user may not open the socket",
    "run Mistle's data plane as a member of the group that owns the socket in {socket_path} "
    "(Compose: group_add; Kubernetes: supplementalGroups)",
    remedies=remedies.JOIN_GROUP,
)
DAEMON_DOWN = temporary(
    "docker.daemon-down",
    Layer.CONNECT,
    "nothing listens on the socket, or only a proxy without a daemon behind it",
    "start the Docker daemon (systemctl start docker); a container that mounts {socket_path} keeps the old socket "
    "after the daemon's restart: restart it, or mount the socket's directory",
    blames=("socket_path",),
    former=("docker.not-docker",),
)
SLOW = temporary(
    "docker.slow",
    Layer.CONNECT,
    "the daemon replies, but later than the check waits",
    "look at the load of the machine of {socket_path}, above all of its disk, and at the daemon's log (journalctl -u "
    "docker); to see whether everything else works, give the check more time with --timeout",
    blames=("socket_path",),
    former=("docker.silent",),
)
SILENT = temporary(
    "docker.silent",
    Layer.CONNECT,
    "the daemon does not reply, or stopped replying",
    "look at the daemon's log (journalctl -u docker) and restart it; check that {socket_path} names its socket",
    blames=("socket_path",),
    slow=SLOW,
    hint_later="look at the daemon's log (journalctl -u docker) and restart it ({socket_path})",
)
NOT_DOCKER = permanent(
    "docker.not-docker",
    Layer.CONNECT,
    "the server that replies on the socket is not a Docker Engine",
    "name the Docker daemon's socket in {socket_path}, usually /var/run/docker.sock",
    blames=("socket_path",),
)
CALL_REFUSED = permanent(
    "docker.call-refused",
    Layer.CONNECT,
    "the daemon, an authorization plugin or a filtering socket proxy refuses a call that Mistle or this tool needs",
    "act on its message; allow images, containers, networks, volumes, commit, distribution, version and info on "
    "{socket_path}, with GET, POST and DELETE",
    blames=("socket_path",),
    former=("docker.volume-refused",),
)
NETWORK_MISSING = permanent(
    "docker.network-missing",
    Layer.ACCESS,
    "the daemon has no such network, and Mistle creates none",
    "create it (docker network create), or name one that exists in {network_name}",
    remedies=remedies.CREATE_NETWORK,
)
NETWORK_NOT_ATTACHABLE = permanent(
    "docker.network-not-attachable",
    Layer.ACCESS,
    "the network accepts Swarm services only, no single containers",
    "create it again with --attachable, or name another network in {network_name}",
)
NETWORK_UNSUITABLE = permanent(
    "docker.network-unsuitable",
    Layer.ACCESS,
    "the network is not one for containers: on the network none a sandbox reaches nothing; on the network host all "
    "sandboxes share the ports and the loopback addresses of the machine",
    "make a network for the sandboxes (docker network create mistle-sandboxes), and name it in {network_name}",
    blames=("network_name",),
)
VOLUME_REFUSED = permanent(
    "docker.volume-refused",
    Layer.ACCESS,
    "the daemon fails or refuses to create or to remove a volume of that name",
    "act on the daemon's message, in {blamed}; a name has letters, digits and _.- and begins with a letter or digit",
)
LEFTOVER = permanent(
    "docker.leftover",
    Layer.ACCESS,
    "the volume that this check created may still exist",
    "remove it, and what other runs have left: "
    'docker volume ls -q -f "name=mistle-preflight-[0-9a-f]+$" | xargs -r docker volume rm',
    status=Status.WARN,
)
BAD_REFERENCE = permanent(
    "docker.bad-reference",
    Layer.ACCESS,
    "that is not the name of an image",
    "write registry/repository:tag in {default_base_image}, in lower case and without a scheme",
    former=("docker.registry-unreachable", "docker.image-needs-login", "docker.image-missing"),
)
IMAGE_MISSING = permanent(
    "docker.image-missing",
    Layer.ACCESS,
    "the image is not in its registry, where Mistle pulls it before every start",
    "push the image, or correct its name in {default_base_image}",
)
IMAGE_NEEDS_LOGIN = permanent(
    "docker.image-needs-login",
    Layer.ACCESS,
    "the registry requires a login for the image, or hides that it does not exist; Mistle pulls without a login",
    "make the image public, put it into a registry that requires no login, or correct its name in {default_base_image}",
)
REGISTRY_UNREACHABLE = temporary(
    "docker.registry-unreachable",
    Layer.ACCESS,
    "the daemon does not reach the image's registry, or gets no valid reply",
    "make the registry reachable from the daemon's machine (DNS, firewall, the daemon's own proxy settings), "
    "or correct the registry in {default_base_image}",
)
REGISTRY_UNTRUSTED = permanent(
    "docker.registry-untrusted",
    Layer.ACCESS,
    "the daemon does not trust the registry's certificate, or the registry does not use TLS",
    "put the CA of the registry in {default_base_image} into /etc/docker/certs.d/<registry>/ca.crt on the daemon's "
    "machine, or list the registry there under insecure-registries",
)
RATE_LIMITED = temporary(
    "docker.registry-rate-limited",
    Layer.ACCESS,
    "the registry refuses this address for now: too many pulls without a login",
    "wait, or put the image into a registry of your own and name it in {default_base_image}",
)
API_TOO_OLD = permanent(
    "docker.api-too-old",
    Layer.FITNESS,
    "the daemon cannot mount a part of a volume, which came with API 1.45 (Engine 26)",
    "upgrade the Docker Engine of {socket_path} to 26 or newer",
    blames=("socket_path",),
)
CGROUP_V1 = permanent(
    "docker.cgroup-v1",
    Layer.FITNESS,
    "the daemon's machine runs cgroup v1, but sandboxes create their own groups in v2",
    "boot the machine of {socket_path} with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or upgrade it",
    blames=("socket_path",),
)
WRONG_PLATFORM = permanent(
    "docker.wrong-platform",
    Layer.FITNESS,
    "the image is built for other platforms than the daemon's",
    "build the image for the daemon's platform too (docker buildx build --platform), or correct {default_base_image}",
    blames=("default_base_image",),
)
NO_TAG = permanent(
    "docker.no-tag",
    Layer.FITNESS,
    "the image is named without a tag, so that Mistle pulls every tag of its repository before each start",
    "add the tag that you mean, such as :latest, in {default_base_image}",
    blames=("default_base_image",),
    status=Status.WARN,
)
HELPER_IMAGE_MISSING = permanent(
    "docker.helper-image-missing",
    Layer.FITNESS,
    "Mistle prepares each volume with alpine:3.20, which the daemon neither has nor can pull",
    "let the daemon of {socket_path} reach Docker Hub, or give it the image: docker pull alpine:3.20, or docker load",
    blames=("socket_path",),
    status=Status.WARN,
    remedies=remedies.PULL_HELPER,
)
LOW_DISK = permanent(
    "docker.low-disk",
    Layer.FITNESS,
    "the disk of the daemon's images and volumes is nearly full",
    "make room on the machine of {socket_path} (docker system prune), or move the daemon's data-root",
    blames=("socket_path",),
    status=Status.WARN,
)
UNEXPECTED_REPLY = unexpected.cause("docker", "a Docker Engine", ("socket_path",))
CAUSES = causes_in(globals())

# Parts of the messages that the daemon passes on from a registry, most specific first, in lower case.
_BY_TEXT = (
    ("denied by plugin", CALL_REFUSED),
    ("page not found", CALL_REFUSED),  # the daemon's own, for an unknown call
    ("/json is not supported", CALL_REFUSED),  # the same from Podman
    ("invalid reference format", BAD_REFERENCE),
    ("invalid repository name", BAD_REFERENCE),
    ("toomanyrequests", RATE_LIMITED),
    ("too many requests", RATE_LIMITED),
    ("manifest unknown", IMAGE_MISSING),
    ("name unknown", IMAGE_MISSING),
    ("not found", IMAGE_MISSING),
    ("basic auth credentials", IMAGE_NEEDS_LOGIN),
    ("unauthorized", IMAGE_NEEDS_LOGIN),
    ("denied", IMAGE_NEEDS_LOGIN),
    ("x509:", REGISTRY_UNTRUSTED),
    ("http response to https client", REGISTRY_UNTRUSTED),
)


OTHER_ENGINE = "name the socket of a Docker Engine 26 or newer in {socket_path}: Podman offers an older API"
PART_OF_ID = "write the whole id, sha256: and 64 digits, or registry/repository:tag, in {default_base_image}"


def by_message(message: str, status: int) -> Cause:
    """The cause of the daemon's message about a registry. A 403 with none of these texts is from a filter."""
    otherwise = CALL_REFUSED if status == HTTPStatus.FORBIDDEN else REGISTRY_UNREACHABLE
    return next((cause for part, cause in _BY_TEXT if part in message.lower()), otherwise)
