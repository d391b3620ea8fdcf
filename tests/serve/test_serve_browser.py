"""The page of `serve` in a real browser, over an address that is not loopback, with a token."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.harness import profiles
from tests.harness.screens import NARROW, WIDE, Screen
from tests.harness.serving import SECRET, gateway, on, own_valkey, served

SOON = "import preflight.serve.state as state; state.ServedState.refresh = 2"


@profiles.long
def test_page_follows_the_deployment(screen: Screen, tmp_path: Path) -> None:
    """It loads itself again, requests nothing else, and breaks no rule of its policy. The token is the password."""
    (tmp_path / "token").write_text(SECRET)
    with own_valkey() as valkey:
        flags = (*on(tmp_path, valkey.url), "--listen", f"{gateway()}:0", "--token-file", str(tmp_path / "token"))
        with served(*flags, code=SOON) as server:
            context = screen.chromium.new_context(
                viewport=WIDE, http_credentials={"username": "me", "password": SECRET}
            )
            page, events = context.new_page(), []
            for event in ("console", "pageerror", "dialog", "request", "popup", "download"):
                page.on(event, lambda cause, event=event: events.append((event, str(getattr(cause, "url", cause)))))
            page.goto(server.url)
            expect(page.locator("h1")).to_have_text("READY", timeout=60_000)
            expect(page.locator("#history li")).to_have_count(1)
            page.get_by_role("link", name="History").click()
            expect(page.locator("#history")).to_be_in_viewport()

            valkey.stop()
            server.run_now()
            expect(page.locator("h1")).to_have_text("NOT READY", timeout=60_000)
            expect(page.locator("#history tbody tr").first).to_contain_text("network.refused")
            document = server.get("/", {"Authorization": f"Bearer {SECRET}"}).body
            context.close()
            assert {event for event, _ in events} == {"request"}, events
            assert {url.partition("#")[0] for _, url in events} == {server.url}
    with screen.shows(document) as still:
        assert [each["id"] for each in Axe().run(still).response["violations"]] == []
        still.set_viewport_size(NARROW)
        assert still.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
