"""The pictures of the docs: `make pictures` takes them anew; without it they are only taken."""

import os
from pathlib import Path

import pytest
from page_scene import PICTURES, Window
from sites import wait_until

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
TAKEN = {
    "wall": ("wall?goal=30", ".tile.group .gauge:not([hidden])", 620),
    "call": ("calls?call=main:call000", ".course .bar", 560),
    "missed": ("missed", ".missed tbody tr", 360),
    "figures": ("figures", ".figures .chart canvas", 640),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_picture_of_the_docs_is_taken(window: Window, name: str) -> None:
    address, selector, height = TAKEN[name]
    window.resize(1280, height)
    window.enter(address)
    window.one(selector)
    wait_until(lambda: window.all(".notices:empty"), 60)
    folder = DOCS if os.environ.get("PICTURES") else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / (f"{name}.png" if folder == DOCS else f"docs-{name}.png")
    assert window.browser.save_screenshot(str(picture))
    assert picture.stat().st_size < 200_000
    assert (DOCS / f"{name}.png").exists()
