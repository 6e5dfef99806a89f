"""Listeners inside the process: each for itself, in order, whatever the others do."""

import threading
from pathlib import Path

from sites import wait_until
from support import FakeClock

from ipecs_mw.journal.journal import open_journal
from ipecs_mw.model.event import Event
from ipecs_mw.service.intake import listeners as module
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.listeners import Listener, Listeners

FRAMES = [b"%d" % number for number in range(30)]


def serve(tmp_path: Path, clock: FakeClock, *served: Listener) -> tuple[Intake, Listeners]:
    intake = Intake("main", open_journal(tmp_path / "a.journal", clock)[0], clock)
    opened = Listeners(served)
    opened.attend(intake, lambda arrival: Event("acd", arrival.body.decode(), arrival.received_at))
    return intake, opened


def test_a_listener_gets_every_event_in_order_with_its_host(tmp_path: Path, clock: FakeClock) -> None:
    heard: list[tuple[str | None, str]] = []
    intake, opened = serve(tmp_path, clock, lambda host, event: heard.append((host, event.type)))
    intake.take_frames(FRAMES)
    opened.close(lambda: 10)
    assert heard == [("main", frame.decode()) for frame in FRAMES]


def test_one_that_raises_and_one_that_blocks_hold_up_nobody(tmp_path: Path, clock: FakeClock) -> None:
    gate = threading.Event()
    heard: list[str] = []

    failed: list[str] = []

    def fail(_host: str | None, event: Event) -> None:
        failed.append(event.type)
        raise ValueError("mine")

    def block(_host: str | None, _event: Event) -> None:
        gate.wait(30)

    intake, opened = serve(tmp_path, clock, fail, block, lambda _host, event: heard.append(event.type))
    intake.take_frames(FRAMES)
    wait_until(lambda: len(heard) == len(FRAMES))
    wait_until(lambda: len(failed) == len(FRAMES))
    assert intake.journal.entry_count == len(FRAMES), "all of them durable"
    gate.set()
    opened.close(lambda: 10)


def test_what_does_not_fit_is_dropped_for_the_slow_one_alone(tmp_path: Path, clock: FakeClock) -> None:
    gate = threading.Event()
    slow: list[str] = []
    quick: list[str] = []

    def listen_slowly(_host: str | None, event: Event) -> None:
        gate.wait(30)
        slow.append(event.type)

    before = module.MOST_WAITING
    module.MOST_WAITING = 10
    try:
        intake, opened = serve(tmp_path, clock, listen_slowly, lambda _host, event: quick.append(event.type))
        for frame in FRAMES:
            intake.take_frames([frame])
            wait_until(lambda frame=frame: frame.decode() in quick)  # type: ignore[misc]
    finally:
        module.MOST_WAITING = before
    gate.set()
    wait_until(lambda: len(slow) >= 10)
    opened.close(lambda: 10)
    assert len(quick) == len(FRAMES)
    assert slow == [frame.decode() for frame in FRAMES[: len(slow)]]
    assert len(slow) < len(FRAMES)
