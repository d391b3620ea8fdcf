"""Chromium, driven by Playwright."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import sync_playwright

from tests.testbed.containers import LOOPBACK, Server, running
from tests.testbed.probes import answers


@dataclass(frozen=True)
class Browser(Server):
    def keep(self, name: str, page: str) -> str:
        """Put a page into the browser's own files. Returns its address there."""
        content = page.encode()
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(entry, io.BytesIO(content))
        self.container.get_wrapped_container().put_archive("/files", packed.getvalue())
        return f"file:///files/{name}"

    @contextmanager
    def driven(self) -> Iterator[Chromium]:
        """Playwright's browser. During the context, this thread can run no loop of asyncio."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(f"http://{self.host}:{self.port}")
            yield browser
            browser.close()


@contextmanager
def browser_server(kept: str = "") -> Iterator[Browser]:
    """A browser that shows pages from files, where `keep` puts them."""

    def is_ready(port: int) -> None:
        answers(f"http://{LOOPBACK}:{port}/json/version")

    with running("chromium", ["chromium-server"], 9222, is_ready, {}, kept=kept) as fields:
        yield Browser(*fields)
