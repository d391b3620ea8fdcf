"""nginx before a service, with correct and wrong configurations of operators."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import accepts

PASS = "proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Host $http_host;"
BEHAVIOURS = {
    "passes": f'{PASS} proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";',
    "strips_upgrade": PASS,
    "redirects": "return 301 https://$host$request_uri;",
    "asks_for_certificate": PASS,
    "asks_for_password": f'auth_basic "staff"; auth_basic_user_file /dev/null; {PASS}',
    "signs_in": "return 302 https://sso.corp.example/realms/staff/auth?client_id=mistle;",
    "forbids": f"deny all; {PASS}",
    "limits": "add_header Retry-After 30 always; return 429;",
    "drops_token": f'{PASS} proxy_set_header x-mistle-service-token "";',
    "drops_query": (
        "proxy_pass {upstream}$uri; proxy_http_version 1.1; proxy_set_header Host $http_host; "
        'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
    ),
    "hides_document": f"location = /openapi.json {{{{ deny all; }}}} {PASS}",
    "single_container": f"location /v1/ {{{{ {PASS} }}}} default_type text/html; "
    'return 200 "<!doctype html><title>Mistle Dashboard</title>";',
    "page": 'default_type text/html; return 200 "<!doctype html><title>Welcome</title>";',
}
CONFIGURATION = """
daemon off;
error_log stderr;
pid /memory/nginx.pid;
events {{}}
http {{
  access_log off;{default}
  server {{
    listen {host}:{port}{tls};{asks}
    server_name localhost;
    location / {{ {behaviour} }}
  }}
}}
"""
REJECT = "\n  server {{ listen {host}:{port} ssl default_server; ssl_reject_handshake on; }}"
ASKS = " ssl_verify_client on; ssl_client_certificate /files/server.pem;"
TLS = " ssl; ssl_certificate /files/server.pem; ssl_certificate_key /files/server.key"


@contextmanager
def proxy(
    upstream: str, behaviour: str = "passes", certificate: Leaf | None = None, *, needs_name: bool = False
) -> Iterator[Server]:
    """nginx before `upstream`, the URL of a server of this machine; if that does not run, it replies 502.

    With `needs_name`, it refuses a TLS handshake that sends another name than localhost, or none.
    """
    port = _free_port()
    tls = TLS if certificate else ""
    default = REJECT.format(host=LOOPBACK, port=port) if needs_name else ""
    asks = ASKS if behaviour == "asks_for_certificate" else ""
    behaviour = BEHAVIOURS[behaviour].format(upstream=upstream)
    text = CONFIGURATION.format(host=LOOPBACK, port=port, tls=tls, asks=asks, behaviour=behaviour, default=default)
    files = {"nginx.conf": text.encode()} | (certificate.files() if certificate else {})
    command = ["nginx", "-c", "/files/nginx.conf"]
    # On the machine's own network, which has the servers of the test process.
    with running("nginx", command, 0, lambda _: accepts(port), files, network_mode="host") as (container, _, _):
        yield Server(container, port, port)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])
