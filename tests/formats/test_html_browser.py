"""The page in a real browser: its layout, its controls, its print and its accessibility tree; it makes no request."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from checks.core.text import clean
from preflight.formats import renderer
from preflight.report.model import Report
from tests.harness import deployments, profiles
from tests.harness.reports import REPORT, SET_POLICY
from tests.harness.screens import NARROW, WIDE, Screen, lines

Show = Callable[..., AbstractContextManager[Page]]
BROKEN = "as one service sees it"


@pytest.fixture
def show(screen: Screen) -> Show:
    """A report, opened in the browser."""

    def shown(report: Report | str, **options: Any) -> AbstractContextManager[Page]:
        return screen.shows(
            renderer("html")(deployments.SHAPES[report] if isinstance(report, str) else report), **options
        )

    return shown


def focused(page: Page) -> str:
    """The accessible name of the focused element, or its text."""
    script = "e => e.querySelector?.('title')?.textContent ?? e.innerText ?? ''"
    return " ".join(page.evaluate_handle("document.activeElement").evaluate(script).split())


def unfold(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")


@pytest.mark.parametrize("name", profiles.first(1, reversed(deployments.SHAPES)))
def test_page_fits_every_screen_and_makes_no_request(show: Show, name: str) -> None:
    with show(name) as page:
        unfold(page)
        for width in (320, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width


def test_every_key_and_finding_is_visible(show: Show) -> None:
    report = deployments.SHAPES["verbose"]
    with show(report) as page:
        text = " ".join(page.locator("main").inner_text().split())
    for verdict in report.keys:
        assert f"{verdict.key} " in text
    for result, finding in report.pairs:
        assert result.target in text
        assert finding.message in text


def test_filter_by_typing_and_clicking(show: Show) -> None:
    report = deployments.SHAPES["broken"]
    with show(report) as page:
        rows, matches = page.locator(".keys [data-status]:visible"), page.get_by_role("status")
        expect(matches).to_have_text(f"{len(report.keys)} of {len(report.keys)} keys")
        page.get_by_label("Search").press_sequentially("POSTGRES plane.direct")
        assert all("postgres." in row and "direct" in row for row in lines(rows))
        expect(matches).to_have_text(f"{rows.count()} of {len(report.keys)} keys")
        page.get_by_label("failed", exact=False).check()
        assert [row.split()[0] for row in lines(rows)] == ["postgres.data_plane.direct_url"]
        assert lines(page.locator(".keys .section:visible")) == ["[postgres]"]
        page.get_by_label("Search").fill("mistle.toml:9999")
        expect(matches).to_have_text(f"0 of {len(report.keys)} keys")
        page.get_by_role("button", name="Show all").click()
        expect(rows).to_have_count(len(report.keys))


@profiles.long
def test_filters_of_one_group_add_up_and_groups_narrow_down(show: Show) -> None:
    report = deployments.SHAPES["broken"]
    with show(report) as page:
        rows = page.locator(".keys [data-status]:visible")
        page.get_by_label("warned").check()
        page.get_by_label("failed").check()
        assert rows.count() == 3
        page.get_by_label("validated").check()
        assert rows.count() == 0
        page.get_by_label("probed").check()
        assert rows.count() == 3


@profiles.long
def test_search_finds_origins_and_findings(show: Show) -> None:
    with show("broken") as page:
        rows = page.locator(".keys [data-status]:visible")
        page.get_by_label("Search").fill("password-rejected")
        assert [row.split()[0] for row in lines(rows)] == ["kv.data_plane.url"]
        page.get_by_label("Search").fill("mistle.toml:5 ")
        assert "mistle.toml:5" in lines(rows)[0]


def test_link_to_a_filtered_key_shows_it_every_time(show: Show) -> None:
    with show("broken") as page:
        for _ in range(2):
            page.get_by_label("Search").fill("nothing like it")
            page.locator("#finding-2").get_by_role("link", name="kv.data_plane.url").click()
            expect(page.locator(".keys").get_by_role("rowheader", name="kv.data_plane.url")).to_be_in_viewport()


@profiles.long
def test_url_of_a_key_scrolls_to_it(show: Show) -> None:
    with show("broken") as page:
        page.goto(f"{page.url}#key-30")
        expect(page.locator("#key-30")).to_be_in_viewport()
        page.evaluate("location.hash = '#%E0'")
        expect(page.locator("h1")).to_be_attached()


def test_map_is_one_stop_and_arrows_follow_the_connections(show: Show) -> None:
    with show("broken") as page:
        page.locator(".summary a").last.focus()
        page.keyboard.press("Tab")
        assert focused(page).startswith("control_plane_api: ")
        for keys, name in (
            (("ArrowDown",) * 4, "data_plane_gateway: 1 failed, 1 warned, "),
            (("ArrowRight",), "data_plane_gateway uses kv.data_plane: failed, 72 ms, connect 4.0 ms"),
            (("ArrowDown",), "data_plane_gateway uses services.control_plane_api.internal: ok"),
            (("ArrowUp", "ArrowUp"), "data_plane_gateway uses postgres.data_plane.pooled: ok"),
            (("ArrowUp",), "data_plane_gateway uses postgres.data_plane.pooled: ok"),
            (("End",), "data_plane_gateway uses sandbox.publish_base_domain: ok"),
            (("ArrowRight",), "sandbox.publish_base_domain, publish, ok"),
            (("Home",), "postgres.control_plane.direct, postgres, ok"),
            (("ArrowLeft",), "control_plane_api uses postgres.control_plane.direct: ok"),
            (("End",), "control_plane_migrations uses postgres.control_plane.direct: ok"),
            (("ArrowLeft",), "control_plane_migrations: 1 warned, "),
            (("ArrowLeft",), "control_plane_migrations: 1 warned, "),
        ):
            for key in keys:
                page.keyboard.press(key)
            assert focused(page).startswith(name)
        page.keyboard.press("Tab")
        assert focused(page) == "The same as a table"


@pytest.mark.parametrize(
    ("key", "name"), profiles.first(1, [("ArrowRight", "connection"), ("ArrowRight ArrowRight", "resource")])
)
def test_enter_on_the_map_opens_the_check(show: Show, key: str, name: str) -> None:
    with show("broken") as page:
        page.locator(".map.wide .service").nth(1).focus()
        for each in key.split():
            page.keyboard.press(each)
        assert page.evaluate(
            "document.activeElement.classList.contains(arguments[0])".replace("arguments[0]", f"'{name}'")
        )
        check = page.evaluate("document.activeElement.getAttribute('href')")
        expect(page.locator(check)).not_to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator(check)).to_be_in_viewport()
        assert page.locator(f".check:has({check})").evaluate("each => each.open")


@pytest.mark.parametrize("which", profiles.first(1, ["wide", "narrow"]))
def test_click_on_the_map_opens_the_check(show: Show, which: str) -> None:
    with show("broken", viewport=WIDE if which == "wide" else NARROW) as page:
        page.locator(f".map.{which} .resource", has_text="kv.data_plane").first.click()
        expect(page.get_by_text("the server reports: invalid").last).to_be_in_viewport()
        page.go_back()
        connection = page.locator(f".map.{which} .connection.fail .line").last
        box = connection.evaluate(
            "(e, at) => { const p = e.getPointAtLength(e.getTotalLength() * at);"
            " const {x, y} = p.matrixTransform(e.getScreenCTM()); return {x, y} }",
            0.9,
        )
        page.mouse.click(box["x"], box["y"])
        assert page.evaluate("location.hash") == connection.evaluate("e => e.parentNode.getAttribute('href')")


@profiles.long
def test_pointing_at_a_service_highlights_what_it_uses(show: Show) -> None:
    with show("broken") as page:
        page.locator(".map.wide .service", has_text="data_plane_gateway").hover()
        used = [each.name for each in deployments.SHAPES["broken"].results if "data_plane_gateway" in each.services]
        assert page.locator(".map.wide .resource.highlighted .name").all_text_contents() == used
        dim = page.locator(".map.wide .resource:not(.highlighted)").first
        assert float(dim.evaluate("each => getComputedStyle(each).opacity")) < 0.5
        page.mouse.move(2, 2)
        expect(page.locator(".map.wide.highlighted")).to_have_count(0)


@profiles.long
def test_checks_fold(show: Show) -> None:
    with show("broken") as page:
        check = page.locator(".check", has_text="object_store.assets")
        layers = check.locator(".layer")
        expect(layers.first).to_be_hidden()
        check.locator("summary").click()
        expect(layers.first).to_be_visible()
        fold = page.get_by_role("button", name="Unfold all")
        fold.click()
        expect(fold).to_have_attribute("aria-pressed", "true")
        assert page.locator("#checks .layer:visible").count() == page.locator("#checks .layer").count()
        fold.press("Enter")
        assert page.locator("#checks .layer:visible").count() == 0


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("scheme", profiles.first(1, ["light", "dark"]))
def test_theme_is_the_systems_until_the_button_is_pressed(show: Show, scheme: str) -> None:
    light, dark = "rgb(246, 247, 249)", "rgb(16, 19, 24)"
    first, second = (light, dark) if scheme == "light" else (dark, light)
    with show(BROKEN, color_scheme=scheme) as page:
        button = page.get_by_role("button", name="Dark")
        assert background(page) == first
        expect(button).to_have_attribute("aria-pressed", str(scheme == "dark").lower())
        button.click()
        assert background(page) == second
        page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        assert background(page) == second, "what was chosen stays"
        button.click()
        assert background(page) == first


def test_command_is_copied(show: Show) -> None:
    with show(REPORT) as page:
        button = page.locator(".remedy .copy")
        assert button.inner_text() == "Copy"
        button.click()
        expect(button).to_have_text(re.compile("Copied|Selected"))  # by whether the page was loaded securely
        assert page.evaluate("getSelection().toString()") == SET_POLICY.command
        assert [each["id"] for each in Axe().run(page).response["violations"]] == []
        page.emulate_media(media="print")
        assert page.locator(".remedy code").is_visible()
        assert not button.is_visible()


@pytest.mark.parametrize("script", profiles.first(1, [True, False]))
def test_paper_shows_everything_and_no_controls(show: Show, script: bool) -> None:
    with show("broken", java_script_enabled=script, color_scheme="dark") as page:
        if script:
            page.get_by_label("Search").fill("nothing like it")
        page.emulate_media(media="print")
        assert background(page) == "rgb(255, 255, 255)"
        for everything in (".layer", ".keys tr", "#map tbody tr", ".problem"):
            assert page.locator(everything).count() == page.locator(f"{everything}:visible").count() > 0
        for control in ("nav", "button", ".filter", ".jump", ".map.narrow"):
            assert page.locator(f"{control}:visible").count() == 0
        expect(page.locator(".map.wide")).to_be_visible()


@profiles.long
def test_printing_unfolds_and_folds_again(show: Show) -> None:
    with show("broken") as page:
        folded = page.locator("details:not([open])").count()
        assert page.pdf()[:5] == b"%PDF-"
        assert page.locator("details:not([open])").count() == folded


def test_without_script_everything_is_there(show: Show) -> None:
    with show("broken", java_script_enabled=False) as page:
        assert lines(page.get_by_role("heading", level=2)) == [
            "The deployment",
            "What to fix",
            "Every key",
            "Every check",
        ]
        assert page.locator(".keys tr:visible").count() == page.locator(".keys tr").count()
        for scripted in (".filter", "#theme", "#fold", ".scripted"):
            expect(page.locator(scripted)).to_be_hidden()
        page.locator(".map.wide .resource", has_text="email.smtp").click()
        expect(page.locator(".check", has_text="email.smtp").locator(".layer").first).to_be_visible()


RING = """
here => parseFloat(here.closest(".map")
  ? getComputedStyle(here.querySelector(".card")).strokeWidth
  : getComputedStyle(here).outlineWidth)
"""


@profiles.long
def test_tab_follows_the_order_of_the_page_and_the_focus_is_visible(show: Show) -> None:
    with show(BROKEN) as page:
        stops = []
        while not stops or stops[-1] != "Unfold all":
            page.keyboard.press("Tab")
            stops.append(focused(page))
            here = page.evaluate_handle("document.activeElement")
            assert here.evaluate(RING) > 2, stops[-1]
            assert len(stops) < 100
        assert stops[:8] == [
            "Skip to the findings",
            "Map",
            "Findings 2",
            "Keys 17",
            "Checks 11",
            "Dark",
            "valkey.password-rejected kv.data_plane.url",
            "network.refused telemetry.traces.endpoint",
        ]
        assert stops[8].startswith("data_plane_gateway: ")
        assert stops[9:11] == ["The same as a table", "kv.data_plane"]


@profiles.long
def test_skip_link_leads_past_the_map(show: Show) -> None:
    with show(BROKEN) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert focused(page) == "kv.data_plane"
        assert page.evaluate("document.activeElement.closest('section').id") == "problems"


TREE = """
- banner:
  - paragraph: mistle-preflight 1.2.3
  - navigation "Sections":
    - list:
      - listitem:
        - link "Map"
  - button "Dark"
- main:
  - region "NOT READY":
    - heading "NOT READY" [level=1]
    - term: Stage
    - definition: live
    - paragraph: Checks 1 failed, 1 ok
    - list:
      - listitem:
        - link "valkey.password-rejected kv.data_plane.url"
  - region "The deployment":
    - heading "The deployment" [level=2]
    - group "Map of the deployment":
      - 'link "data_plane_gateway: 1 failed"'
      - 'link "kv.data_plane, valkey, failed, 72 ms, connect 4.0 ms: valkey.example.internal:1028"'
      - 'link "data_plane_gateway uses kv.data_plane: failed, 72 ms, connect 4.0 ms"'
    - list "Legend":
      - listitem: failed
    - group: The same as a table
  - region "What to fix":
    - heading "What to fix" [level=2]
    - article "valkey.password-rejected":
      - heading "valkey.password-rejected" [level=3]
      - paragraph:
        - text: failed · auth ·
        - link "kv.data_plane"
      - list:
        - listitem: dns ok · 4.0 ms
        - listitem: connect ok · 4.0 ms
        - listitem: auth failed · 13 ms
        - listitem: access not reached
        - listitem: fitness not reached
      - paragraph: "the server reports: invalid username-password pair or user is disabled."
      - paragraph: "Do: correct the user name and password in kv.data_plane.url (mistle.toml:102)"
      - term: Key at fault
      - definition:
        - code:
          - link "kv.data_plane.url"
  - region "Every key":
    - heading "Every key" [level=2]
    - search "Filter the keys":
      - searchbox "Search"
      - group "Status":
        - checkbox "failed 1"
      - group "Evidence":
        - checkbox "probed 2"
      - button "Show all"
      - status: 4 of 4 keys
    - table "The verdict on each configuration key":
      - caption: The verdict on each configuration key
      - rowgroup:
        - row "Key Verdict Evidence Origin Findings and checks":
          - columnheader "Key"
      - rowgroup:
        - row "[kv]":
          - rowheader "[kv]"
        - row /kv.data_plane.url failed probed mistle.toml:7/:
          - rowheader "kv.data_plane.url"
          - cell "failed"
  - region "Every check":
    - heading "Every check" [level=2]
    - heading "config" [level=3]
    - heading "valkey" [level=3]
- contentinfo
"""


@pytest.mark.parametrize("viewport", profiles.first(1, [WIDE, NARROW]))
def test_accessibility_tree(show: Show, viewport: dict[str, int]) -> None:
    with show("one check", viewport=viewport) as page:
        expect(page.locator("body")).to_match_aria_snapshot(TREE)


@pytest.mark.parametrize(
    ("name", "scheme"),
    profiles.first(
        1,
        [(BROKEN, "light"), (BROKEN, "dark"), (BROKEN, "narrow"), ("configuration errors", "light"), ("quiet", "dark")],
    ),
)
def test_audit_finds_nothing(show: Show, name: str, scheme: str) -> None:
    options = {"viewport": NARROW} if scheme == "narrow" else {"color_scheme": scheme}
    with show(name, **options) as page:
        unfold(page)
        assert [(each["id"], each["nodes"]) for each in Axe().run(page).response["violations"]] == []


BOXES = """
map => {
  const box = each => { const {x, y, width, height} = each.getBBox(); return [x, y, x + width, y + height] };
  return {
    view: ["x", "y", "width", "height"].map(name => map.viewBox.baseVal[name]),
    texts: [...map.querySelectorAll("text")].map(each => [each.textContent, box(each)]),
    cards: [...map.querySelectorAll(".node")].map(node => [
      box(node.querySelector(".card")),
      [...node.querySelectorAll("text")].map(each => [each.textContent, box(each)]),
    ]),
  };
}
"""


@profiles.covering
@pytest.mark.parametrize("which", ["wide", "narrow"])
@pytest.mark.parametrize("name", ["broken", "long", BROKEN])
def test_texts_of_the_map_stay_apart_and_in_their_places(show: Show, name: str, which: str) -> None:
    with show(name, viewport=WIDE if which == "wide" else NARROW) as page:
        drawn = page.locator(f".map.{which}").evaluate(BOXES)
    left, top, width, height = drawn["view"]
    texts = [(text, *box) for text, box in drawn["texts"] if text]
    for text, x1, y1, x2, y2 in texts:
        assert left <= x1 <= x2 <= left + width, text
        assert top <= y1 <= y2 <= top + height, text
    for (x1, y1, x2, y2), inside in drawn["cards"]:
        assert all(x1 <= box[0] and box[2] <= x2 and y1 <= box[1] and box[3] <= y2 for _, box in inside), inside
    for number, (one, *a) in enumerate(texts):
        for other, *b in texts[number + 1 :]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] - 2 <= b[1] or b[3] - 2 <= a[1]
            assert apart, f"{one} covers {other}"


COLORS = """
map => [...map.querySelectorAll(".node text, .node tspan")].map(text => {
  const card = getComputedStyle(text.closest(".node").querySelector(".card")).fill;
  const panel = getComputedStyle(map.querySelector(".panels rect")).fill;
  return [text.textContent, getComputedStyle(text).fill, card.startsWith("rgba(0, 0, 0, 0") ? panel : card];
})
"""


@pytest.mark.parametrize("scheme", profiles.first(1, ["dark", "light"]))
def test_texts_of_the_map_have_contrast(show: Show, scheme: str) -> None:
    with show("broken", color_scheme=scheme) as page:
        pairs = page.locator(".map.wide").evaluate(COLORS)
    assert len(pairs) > 100
    for text, ink, paper in pairs:
        assert contrast(ink, paper) >= 4.5, (text, ink, paper)


def contrast(*colors: str) -> float:
    """As WCAG 2 defines it."""
    dark, light = sorted(map(luminance, colors))
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    channels = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "]]><svg onload=alert(1)><![CDATA[",
    "--></title></style><iframe srcdoc='<script>alert(1)</script>'>",
    "<base href=//example.test/><meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "{{ 7 * 7 }}{% raw %}{# <b> #}&lt;b&gt;&#60;b&#62;",
    "\u202eltr\u2066 \u200f\x00\x1b[31m\x9b\u2028\ud800 \u05d0\u05d1\u05d2",
]
SKELETON = """
() => [...document.querySelectorAll("*")].filter(each => each.tagName !== "WBR")
  .map(each => each.tagName + [...each.attributes].map(one => " " + one.name).join(""))
"""


def test_hostile_texts_are_only_texts(show: Show) -> None:
    few = deployments.SHAPES[BROKEN]
    skeletons = {}
    for text in ("harmless", "harm.less"):  # keys are put into sections by what comes before a dot
        with show(deployments.relabelled(text, few)) as page:
            unfold(page)
            skeletons["." in text] = page.evaluate(SKELETON)
    for text in HOSTILE:
        with show(deployments.relabelled(text, few)) as page:
            unfold(page)
            assert page.evaluate(SKELETON) == skeletons["." in text]
            seen = " ".join(page.locator("main").inner_text().split())
            assert seen.count(" ".join(clean(text).split())) > 50
            assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08\x1b\x9b]", page.content())


@profiles.long
def test_hostile_text_can_be_searched_for(show: Show) -> None:
    with show(deployments.relabelled(HOSTILE[1])) as page:
        page.get_by_label("Search").fill(HOSTILE[1] + "7")
        assert page.locator(".keys [data-status]:visible").count() >= 1
