"""aiosmtpd's mail server, which offers what Postfix does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

from tests.harness.faults import LOOPBACK


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def aiosmtpd_server(**options: Any) -> Iterator[int]:
    """Its port. `options` as for its Controller."""
    controller = _OnAnyPort(None, LOOPBACK, 0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
