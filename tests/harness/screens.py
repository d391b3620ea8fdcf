"""A page as its reader sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, Page

from tests.testbed import Browser

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 375, "height": 800}


@dataclass(frozen=True)
class Screen:
    """A browser, and the connection that controls it."""

    browser: Browser
    chromium: Chromium

    @contextmanager
    def shows(self, document: str, **options: Any) -> Iterator[Page]:
        """The page in the browser. At the end, assert that it requested, ran and logged nothing."""
        address = self.browser.keep("report.html", document)
        context = self.chromium.new_context(**{"viewport": WIDE, "color_scheme": "light"} | options)
        page, events = context.new_page(), []
        for event in ("console", "pageerror", "dialog", "request", "popup", "download", "frameattached", "worker"):
            page.on(event, lambda cause, event=event: events.append((event, str(getattr(cause, "url", cause)))))
        context.set_default_timeout(10_000)
        page.goto(address)
        yield page
        context.close()
        assert events == [("request", address)]


def lines(locator: Locator) -> list[str]:
    """The text of each element, in one line."""
    return [" ".join(text.split()) for text in locator.all_inner_texts()]
