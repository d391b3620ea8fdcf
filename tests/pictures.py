"""The pictures of docs/images, taken of a run on the local stack with some wrong values: `scripts/screenshots`.

`PICTURES` says how each file is made of that run's report; one more picture is one more row.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ViewportSize

import preflight
from preflight import Report
from testbed.browser import Browser, browser_server

FOLDER = Path(__file__).parents[1] / "docs" / "images"
CONFIG = Path("examples/mistle.toml")
WIDTH, SHARPNESS = 1280, 1.5

Screen = tuple[Browser, Chromium]


def with_wrong_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Mistakes as operators make them: a wrong password, a pooler where none may be, TLS where none is, a typo."""
    valkey = urlsplit(environ["MISTLE_KV_DATA_PLANE_URL"])
    traces = urlsplit(environ["MISTLE_TELEMETRY_TRACES_ENDPOINT"])
    return dict(environ) | {
        "MISTLE_KV_DATA_PLANE_URL": valkey._replace(netloc=f":wrong@{valkey.hostname}:{valkey.port}").geturl(),
        "MISTLE_POSTGRES_DATA_PLANE_DIRECT_URL": environ["MISTLE_POSTGRES_DATA_PLANE_POOLED_URL"],
        "MISTLE_EMAIL_SMTP_SECURE": "true",
        "MISTLE_TELEMETRY_TRACES_ENDPOINT": traces._replace(
            netloc=f"{traces.hostname}:{(traces.port or 80) + 1}"
        ).geturl(),
    }


def page(report: Report, screen: Screen, scheme: Literal["light", "dark"]) -> bytes:
    """The top of the page, down to the first thing to mend."""
    browser, chromium = screen
    viewport = ViewportSize(width=WIDTH, height=900)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=SHARPNESS)
    shown = context.new_page()
    shown.goto(browser.keep("report.html", preflight.render(report, "html")))
    end = shown.locator(".problem").first.evaluate("each => each.getBoundingClientRect().bottom")
    picture = shown.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": end + 24})
    context.close()
    return small(picture)


def small(picture: bytes) -> bytes:
    """The same picture in 256 colours, a third of its bytes: no eye sees a difference in one of flat areas and text."""
    content = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


PICTURES: Mapping[str, Callable[[Report, Screen], bytes]] = {
    "report-light.png": partial(page, scheme="light"),
    "report-dark.png": partial(page, scheme="dark"),
}


def main(names: list[str]) -> None:
    """Take the named pictures, or all."""
    report = preflight.check(CONFIG, environ=with_wrong_values(os.environ))
    FOLDER.mkdir(parents=True, exist_ok=True)
    with browser_server() as browser, browser.driven() as chromium:
        for name in names or PICTURES:
            content = PICTURES[name](report, (browser, chromium))
            (FOLDER / name).write_bytes(content)
            sys.stdout.write(f"{FOLDER.name}/{name}  {len(content) / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
