"""The pictures of docs/images: `scripts/screenshots` makes them; they are small, used, and show the report."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.harness import deployments, pictures
from tests.testbed import Browser

README = (Path(__file__).parents[2] / "README.md").read_text()
FAILED = {"report-light.png": (191, 33, 56), "report-dark.png": (255, 128, 137)}


def test_folder_holds_the_pictures_and_readme_shows_them() -> None:
    assert {file.name for file in pictures.FOLDER.iterdir()} == set(pictures.PICTURES)
    assert all(f"docs/images/{name}" in README for name in pictures.PICTURES)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_picture_is_small(name: str) -> None:
    assert (pictures.FOLDER / name).stat().st_size < 300_000


def test_pictures_show_the_report(browser: Browser) -> None:
    with browser.driven() as chromium:
        for name, red in FAILED.items():
            image = Image.open(
                io.BytesIO(pictures.PICTURES[name](deployments.SHAPES["one check"], (browser, chromium)))
            )
            assert image.width == pictures.WIDTH * pictures.SHARPNESS
            near = sum(
                number
                for number, color in image.convert("RGB").getcolors(1 << 24) or ()
                if max(abs(one - other) for one, other in zip(color, red, strict=True)) < 8
            )
            assert near > 300


def test_wrong_values_keep_the_addresses_of_the_stack() -> None:
    right = {
        "MISTLE_KV_DATA_PLANE_URL": "redis://:right@127.0.0.1:16379",
        "MISTLE_POSTGRES_DATA_PLANE_POOLED_URL": "postgres://a:b@127.0.0.1:16432/mistle",
        "MISTLE_TELEMETRY_TRACES_ENDPOINT": "http://127.0.0.1:14318/v1/traces",
    }
    assert pictures.with_wrong_values(right) == {
        "MISTLE_KV_DATA_PLANE_URL": "redis://:wrong@127.0.0.1:16379",
        "MISTLE_POSTGRES_DATA_PLANE_POOLED_URL": "postgres://a:b@127.0.0.1:16432/mistle",
        "MISTLE_POSTGRES_DATA_PLANE_DIRECT_URL": "postgres://a:b@127.0.0.1:16432/mistle",
        "MISTLE_EMAIL_SMTP_SECURE": "true",
        "MISTLE_TELEMETRY_TRACES_ENDPOINT": "http://127.0.0.1:14319/v1/traces",
    }
