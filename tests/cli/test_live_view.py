"""The live view fits the screen, in every language."""

from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from ipecs_mw.cli.live_view import Picture, draw
from ipecs_mw.seeds import shipped_texts

AT = datetime(2026, 11, 24, 1, tzinfo=UTC)


def build_picture(stations: int) -> Picture:
    """Return what so many stations make: each logs in, every second one talks."""
    picture = Picture()
    for number in range(1000, 1000 + stations):
        for code, name in [(11, "agent_primary_login"), (42, "seize_ack_connect_answer")][: 1 + number % 2]:
            data = {"source_type": "station", "source_number": str(number), "caller_name": "김철수 " * 20}
            picture.add(
                {"kind": "acd", "type": name, "code": code, "data": data, "call_ref": number,
                 "stations": [str(number)], "received_at": AT},
                0.0,
            )  # fmt: skip
    return picture


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
@pytest.mark.parametrize("stations", [0, 3, 40])
@pytest.mark.parametrize("size", [(80, 24), (100, 30), (80, 50), (200, 60)])
def test_the_view_fits_the_screen_and_fills_it(locale: str, stations: int, size: tuple[int, int]) -> None:
    texts = shipped_texts(locale)
    console = Console(width=size[0], height=size[1], force_terminal=True, color_system=None)
    view = draw(build_picture(stations), {"state": "up"}, 0.0, texts, size)
    with console.capture() as captured:
        console.print(view)
    lines = captured.get().rstrip("\n").split("\n")
    assert max(map(cell_len, lines)) <= size[0]
    assert len(lines) < size[1]
    if stations == 40:
        assert len(lines) == size[1] - 1, "as many events as there is room for"
    shown = "\n".join(lines)
    for key in ("station", "agent", "activity", "call"):
        assert texts.render(f"demo.{key}") in shown
    assert texts.render("demo.calls", calls=stations // 2) in shown
    if stations:
        assert texts.render("demo.talking") in shown
