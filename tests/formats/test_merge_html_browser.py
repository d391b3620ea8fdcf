"""The page of merged reports in a real browser: its layout, its controls, its print and its accessibility tree."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from preflight.formats import BY_COMMAND, renderer
from tests.harness import profiles, vantages
from tests.harness.screens import NARROW, Screen, lines

Show = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def show(screen: Screen) -> Show:
    """Merged reports, opened in the browser."""

    def shown(name: str, **options: Any) -> AbstractContextManager[Page]:
        return screen.shows(renderer("html", BY_COMMAND["merge"])(vantages.SHAPES[name]), **options)

    return shown


def box(locator: Locator) -> dict[str, float]:
    return dict(locator.bounding_box() or {})


@pytest.mark.parametrize("name", profiles.first(1, ["long", "few", "interrupted", "ready", "eight"]))
def test_page_fits_every_screen_and_makes_no_request(show: Show, name: str) -> None:
    with show(name) as page:
        for width in (320, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            rest = "document.documentElement.scrollHeight - document.querySelector('footer').offsetTop"
            assert page.evaluate(rest) < 120, "what the table hides takes no room on the page"


def test_filter_by_typing_and_clicking(show: Show) -> None:
    with show("broken") as page:
        rows, matches = page.locator(".keys [data-status]:visible"), page.get_by_role("status")
        every = len(vantages.SHAPES["broken"].keys)
        expect(matches).to_have_text(f"{every} of {every} keys")
        page.get_by_label("failed", exact=False).check()
        assert [row.split()[0] for row in lines(rows)] == ["postgres.data_plane.direct_url", "kv.data_plane.url"]
        assert lines(page.locator(".keys .section:visible")) == ["[postgres]", "[kv]"]
        page.get_by_label("Search").press_sequentially("PASSWORD-rejected")
        expect(matches).to_have_text(f"1 of {every} keys")
        page.get_by_label("Search").fill("data_plane_migrations url")
        assert [row.split()[0] for row in lines(rows)] == ["postgres.data_plane.direct_url"]
        page.get_by_role("button", name="Show all").click()
        expect(rows).to_have_count(every)


@profiles.long
def test_link_to_a_filtered_key_shows_it(show: Show) -> None:
    with show("broken") as page:
        page.get_by_label("Search").fill("nothing like it")
        page.locator("#finding-2").get_by_role("link", name="kv.data_plane.url").click()
        header = page.get_by_role("rowheader", name="kv.data_plane.url")
        expect(header).to_be_in_viewport()
        assert (
            box(header)["y"] >= box(page.locator(".merged thead"))["y"] + box(page.locator(".merged thead"))["height"]
        )


@pytest.mark.parametrize("viewport", profiles.first(1, [NARROW, {"width": 1000, "height": 700}]))
def test_headers_stay_visible_while_the_table_scrolls(show: Show, viewport: dict[str, int]) -> None:
    with show("eight", viewport=viewport) as page:
        pane = page.get_by_role("region", name="Keys by vantage")
        pane.focus()
        corner, head, key = (
            page.locator(f".merged {each}") for each in ("thead th >> nth=0", "thead th >> nth=-2", "#key-40 th")
        )
        expect(head).not_to_be_in_viewport()
        page.keyboard.press("ArrowRight")
        expect(pane).not_to_have_js_property("scrollLeft", 0)
        pane.evaluate("each => each.scrollTo(each.scrollWidth, each.scrollHeight)")
        expect(head).to_be_in_viewport()
        frame = box(pane)
        assert box(key)["x"] - frame["x"] < 3
        assert box(corner)["x"] - frame["x"] < 3
        assert box(head)["y"] - frame["y"] < 3
        assert page.evaluate("[scrollX, document.documentElement.scrollWidth - innerWidth]") == [0, 0]


OPAQUE = """
cells => cells.every(cell => {
  const paper = getComputedStyle(cell).backgroundColor;
  return !paper.startsWith("rgba") && paper !== "transparent" && getComputedStyle(cell).position === "sticky";
})
"""


@profiles.long
def test_sticky_headers_are_opaque(show: Show) -> None:
    with show("broken") as page:
        assert page.locator(".merged thead th, .merged th[scope=row]").evaluate_all(OPAQUE)


@profiles.long
def test_cell_that_does_not_count_is_muted(show: Show) -> None:
    with show("broken") as page:
        row = page.locator(".merged tr", has_text="kv.data_plane.url")
        aside, counts = row.locator(".not-counting"), row.locator(".cell.fail:not(.not-counting)").first
        color = "each => getComputedStyle(each.querySelector('.marked')).color"
        paper = "each => getComputedStyle(each).backgroundColor"
        assert aside.evaluate(color) != counts.evaluate(color)
        assert (aside.evaluate(paper), counts.evaluate(paper)) == ("rgb(255, 255, 255)", "rgb(253, 234, 236)")
        bracket = aside.locator(".cell-verdict").evaluate("each => getComputedStyle(each, '::before').content")
        assert bracket.startswith('"("')
        expect(page.locator(".not-counting .visually-hidden").first).to_have_text("there, does not count")


@pytest.mark.parametrize("script", profiles.first(1, [True, False]))
def test_paper_shows_everything_and_no_controls(show: Show, script: bool) -> None:
    with show("eight", java_script_enabled=script, color_scheme="dark") as page:
        if script:
            page.get_by_label("Search").fill("nothing like it")
        page.set_viewport_size({"width": 1040, "height": 700})
        page.emulate_media(media="print")
        for everything in (".keys tr", ".problem", ".vantages tr"):
            assert page.locator(everything).count() == page.locator(f"{everything}:visible").count() > 0
        for control in ("nav", "button", ".filter"):
            assert page.locator(f"{control}:visible").count() == 0
        pane, table = box(page.locator(".pane")), box(page.locator(".merged"))
        assert table["width"] <= pane["width"]
        assert table["height"] <= pane["height"]


def test_without_script_everything_is_there(show: Show) -> None:
    with show("broken", java_script_enabled=False) as page:
        assert page.locator(".keys tr:visible").count() == page.locator(".keys tr").count()
        for scripted in (".filter", "#theme"):
            expect(page.locator(scripted)).to_be_hidden()


TREE = """
- main:
  - region "NOT READY":
    - heading "NOT READY" [level=1]
  - region "Seen from":
    - table "The reports that were merged":
      - rowgroup:
        - row:
          - columnheader "Vantage"
      - rowgroup:
        - row:
          - rowheader "laptop"
          - cell "not ready"
  - region "What to fix":
    - article "valkey.password-rejected"
  - region "Every key, from every vantage":
    - search "Filter the keys"
    - region "Keys by vantage":
      - table "The verdict of each vantage on each configuration key":
        - rowgroup:
          - row:
            - columnheader "Key"
            - columnheader "Verdict"
            - columnheader "laptop"
        - rowgroup:
          - row "[kv]"
          - row:
            - rowheader "kv.data_plane.url"
            - cell "failed"
            - cell "failed there, does not count probed valkey.password-rejected"
            - cell "failed probed valkey.password-rejected"
            - cell "not set"
"""


@pytest.mark.parametrize("viewport", profiles.first(1, [{"width": 1280, "height": 900}, NARROW]))
def test_accessibility_tree(show: Show, viewport: dict[str, int]) -> None:
    with show("few", viewport=viewport) as page:
        expect(page.locator("body")).to_match_aria_snapshot(TREE)


LIGHT, DARK, SMALL = {"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": NARROW}


@pytest.mark.parametrize(
    ("name", "options"),
    profiles.first(1, [("few", LIGHT), ("interrupted", DARK), ("few", DARK), ("few", SMALL), ("interrupted", LIGHT)]),
)
def test_audit_finds_nothing(show: Show, name: str, options: dict[str, Any]) -> None:
    with show(name, **options) as page:
        assert [(each["id"], each["nodes"]) for each in Axe().run(page).response["violations"]] == []
