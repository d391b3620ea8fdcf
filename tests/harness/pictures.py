"""The pictures of docs/images, taken of a run on the local stack with some wrong values: `scripts/screenshots`.

`PICTURES` has the function that makes each file from the report of that run; one more picture is one more row.
"""

import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import cmarkgfm
from cmarkgfm.cmark import Options
from PIL import Image
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ViewportSize
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import preflight
from preflight import Report
from preflight.formats import renderer
from preflight.output.wrapping import wrapped
from tests.testbed.browser import Browser, browser_server

FOLDER = Path(__file__).parents[2] / "docs" / "images"
CONFIG = Path("examples/mistle.toml")
WIDTH, SHARPNESS, COLUMNS = 1280, 1.5, 110

DARK = TerminalTheme(
    (24, 27, 33),
    (214, 219, 227),
    [(24, 27, 33), (240, 100, 110), (126, 199, 135), (226, 178, 87), (110, 168, 254), (198, 146, 233), (95, 200, 210)],
)
TERMINAL = """
  body { background: #181b21; color: #d6dbe3; margin: 0; padding: 28px 32px; }
  pre { font: 15px/1.45 "JetBrains Mono", "DejaVu Sans Mono", monospace; margin: 0; }
"""
GITHUB = """
  body { background: #fff; color: #1f2328; margin: 0; padding: 24px 32px; font: 16px/1.5 Inter, sans-serif; }
  h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; } h2, h3 { margin: 24px 0 16px; line-height: 1.25; }
  code { background: #eff1f3; border-radius: 6px; padding: .2em .4em; font: 85% "JetBrains Mono", monospace; }
  table { border-collapse: collapse; margin-bottom: 16px; } th, td { border: 1px solid #d1d9e0; padding: 6px 13px; }
  tr:nth-child(2n) { background: #f6f8fa; } li { margin: .25em 0; } td { font-size: 14px; }
"""

Screen = tuple[Browser, Chromium]


def with_wrong_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Mistakes of operators: a wrong password, a pooler on a direct URL, TLS at a server without it, a typo."""
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
    """The top of the page, down to the first problem."""
    browser, chromium = screen
    viewport = ViewportSize(width=WIDTH, height=900)
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, device_scale_factor=SHARPNESS)
    shown = context.new_page()
    shown.goto(browser.keep("report.html", preflight.render(report, "html")))
    end = shown.locator(".problem").first.evaluate("each => each.getBoundingClientRect().bottom")
    picture = shown.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": end + 24})
    context.close()
    return small(picture)


def terminal(report: Report, screen: Screen) -> bytes:
    """The output of `mistle-preflight -q` on a dark terminal of a hundred columns."""
    command = "$ mistle-preflight -q"
    text = wrapped(renderer("text")(replace(report, detail=-1)), COLUMNS)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(f"{command}\n{text}"))
    inner = console.export_html(theme=DARK, inline_styles=True, code_format="<pre>{code}</pre>")
    return _whole(screen, f"<body>{inner}</body>", TERMINAL, width=1080)


def summary(report: Report, screen: Screen) -> bytes:
    """The summary that GitHub shows below a step: the Markdown report, rendered by GitHub's own parser."""
    shown = cmarkgfm.github_flavored_markdown_to_html(renderer("markdown")(report), Options.CMARK_OPT_UNSAFE)
    return _whole(screen, f"<body><article>{shown}</article></body>", GITHUB)


def _whole(screen: Screen, body: str, style: str, width: int = WIDTH) -> bytes:
    """A picture of a page from its top to its end."""
    browser, chromium = screen
    context = chromium.new_context(viewport=ViewportSize(width=width, height=100), device_scale_factor=SHARPNESS)
    shown = context.new_page()
    shown.goto(browser.keep("page.html", f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}"))
    picture = shown.screenshot(full_page=True)
    context.close()
    return small(picture)


def small(picture: bytes) -> bytes:
    """The same picture in 256 colours, with a third of its bytes. Flat areas and text look the same."""
    content = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


PICTURES: Mapping[str, Callable[[Report, Screen], bytes]] = {
    "report-light.png": partial(page, scheme="light"),
    "report-dark.png": partial(page, scheme="dark"),
    "terminal.png": terminal,
    "github-summary.png": summary,
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
