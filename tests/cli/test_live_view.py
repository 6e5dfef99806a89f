"""The live view fits the screen, in every language."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from ipecs_mw.cli.printing.live_view import Picture, draw
from ipecs_mw.seeds import shipped_texts

AT = datetime(2026, 11, 24, 1, tzinfo=UTC)


def build_picture() -> Picture:
    """Return what some dozen events make."""
    picture = Picture()
    for _ in range(60):
        data = {"source_type": "station", "source_number": "1001", "caller_name": "김철수 " * 20}
        picture.add(
            {"kind": "acd", "type": "station_ring", "code": 66, "data": data, "call_ref": 7,
             "stations": ["1001"], "received_at": AT},
            0.0,
        )  # fmt: skip
    return picture


def build_stations(count: int, *, is_stale: bool = False) -> list[dict[str, Any]]:
    """Return so many stations, of which every second one talks."""
    stations: list[dict[str, Any]] = []
    for number in range(1000, 1000 + count):
        state = {"state": "talking", "call": "main:a6d26999290805b4"} if number % 2 else {"state": "ready"}
        stations.append(
            {"kind": "station", "station": str(number), "agent": "0042", "is_stale": is_stale, **state}
        )
    return stations


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
@pytest.mark.parametrize("stations", [0, 3, 40])
@pytest.mark.parametrize("size", [(80, 24), (100, 30), (80, 50), (200, 60)])
def test_the_view_fits_the_screen_and_fills_it(locale: str, stations: int, size: tuple[int, int]) -> None:
    texts = shipped_texts(locale)
    console = Console(width=size[0], height=size[1], force_terminal=True, color_system=None)
    view = draw(build_picture(), build_stations(stations), {"state": "up"}, 0.0, texts, size)
    with console.capture() as captured:
        console.print(view)
    lines = captured.get().rstrip("\n").split("\n")
    assert max(map(cell_len, lines)) <= size[0]
    assert len(lines) < size[1]
    if stations == 40:
        assert len(lines) == size[1] - 1, "as many events as there is room for"
    shown = "\n".join(lines)
    for key in ("station", "agent", "state", "call"):
        assert texts.render(f"cli.live.{key}") in shown
    assert texts.render("demo.calls", calls=stations // 2) in shown
    if stations:
        assert texts.render("cli.state.talking") in shown
        assert "a6d26999" in shown


def test_what_may_no_longer_be_so_is_not_shown_as_if_it_were() -> None:
    texts = shipped_texts("en-GB")
    console = Console(width=100, force_terminal=True, color_system=None)
    with console.capture() as captured:
        stations = build_stations(3, is_stale=True)
        console.print(draw(Picture(), stations, {"state": "offline"}, 0.0, texts, (100, 30)))
    assert captured.get().count("was: ") == 3
    assert "a6d26999" not in captured.get()
