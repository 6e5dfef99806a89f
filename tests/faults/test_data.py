"""The host sends what no host should: the connection stays, and everything is kept."""

import csv
import io
import json
import random
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from faults.injections import DAMAGED, OPERATORS, REFUSED_BY_BSON, UNUSUAL
from faults.oracle import Witness, number_of
from faults.recording import Rounds
from faults.test_machine import read_memory_kib
from sites import is_streaming, wait_until

from ipecs_mw.cli.printing.output import FORMS

_UP_SECONDS = 60.0
_LIMIT_BYTES = 1024 * 1024
_BINARY = b"\x00\x01"
_BOMB_BYTES = 100_000_000


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


def is_kept_as_bytes(sent: bytes, event: Mapping[str, Any]) -> bool:
    return event["kind"] == "undecodable" and event["raw"] == sent


def is_kept_with_what_is_wrong(sent: bytes, event: Mapping[str, Any]) -> bool:
    """Tell whether it says what is wrong, beside its bytes or, where it reads as JSON, beside all of that.

    What is no text in it is written out.
    """
    text = re.sub(r"\\(?=x|ud8)", r"\\\\", sent.decode("utf-8-sig", "backslashreplace"))
    try:
        kept = json.loads(text)
    except ValueError:
        kept = sent
    return bool(event["problems"]) and bool(event["raw"] == kept)


def is_kept_as_json(sent: bytes, event: Mapping[str, Any]) -> bool:
    """Tell whether JSON is kept with every value; NaN equals itself only as text."""
    return event["raw"] == sent or json.dumps(event["raw"]) == json.dumps(json.loads(sent, strict=False))


def is_kept_as_it_is(sent: bytes, event: Mapping[str, Any]) -> bool:
    return bool(event["raw"] == json.loads(sent))


@pytest.mark.parametrize(
    ("frames", "is_kept"),
    [
        pytest.param(REFUSED_BY_BSON, is_kept_as_bytes, marks=pytest.mark.fault(12, few=3, many=100)),
        pytest.param(DAMAGED, is_kept_with_what_is_wrong, marks=pytest.mark.fault(30, few=3, many=100)),
        pytest.param(UNUSUAL, is_kept_as_json, marks=pytest.mark.fault(32, few=3, many=100)),
        pytest.param(OPERATORS, is_kept_as_it_is, marks=pytest.mark.fault(33, few=3, many=100)),
    ],
    ids=("refused by BSON", "damaged", "unusual", "operators"),
)
def test_odd_frames_are_kept_beside_their_neighbours_and_the_connection_stays(
    witness: Witness,
    rounds: Rounds,
    frames: Sequence[str | bytes],
    is_kept: Callable[[bytes, Mapping[str, Any]], bool],
) -> None:
    chance = random.Random(30)
    begin(witness)
    sent: dict[int, bytes] = {}
    for _ in rounds:
        for frame in chance.sample(frames, len(frames)):
            number, body = witness.send_odd(frame)
            sent[number] = body
            witness.send(chance.randint(0, 2))
    witness.host.send("")
    witness.host.send(_BINARY)
    verdict = witness.judge()
    assert verdict.gaps == 0
    assert witness.site.count(type="session_up") == 1
    events = witness.site.store.database["events"].find({"kind": {"$ne": "system"}})
    stored = {number: event for event in events if (number := number_of(event)) in sent}
    assert stored.keys() == sent.keys()
    wrong = [(body, stored[number]) for number, body in sent.items() if not is_kept(body, stored[number])]
    assert not wrong, wrong[0]
    for body in (b"", _BINARY):
        assert witness.site.count(kind="undecodable", raw=body, problems={"$type": "string"}) == 1
    assert witness.site.count(type="station_ring") == witness.next - len(sent), "the neighbours are events"
    assert "Traceback" not in witness.site.logged()


def send_padded(witness: Witness, size: int) -> None:
    """Send an odd frame that is `size` bytes long with its number."""
    head, tail = f'{{"event":"padded","data":{{"number":"#{witness.next}#","padding":"', '"}}'
    _, body = witness.send_odd(head + "x" * (size - len(head) - len(tail)) + tail)
    assert len(body) == size


@pytest.mark.fault(31, few=1, many=5)
def test_a_frame_up_to_the_limit_is_stored_and_one_above_it_is_a_gap_and_no_storm(
    witness: Witness, rounds: Rounds
) -> None:
    begin(witness)
    for _ in rounds:
        for size in (_LIMIT_BYTES - 1000, _LIMIT_BYTES):
            send_padded(witness, size)
        witness.await_flow()
        ups = witness.site.count(type="session_up")
        witness.host.send("x" * (_LIMIT_BYTES + 1))
        wait_until(lambda ups=ups: witness.site.count(type="session_up") > ups, _UP_SECONDS)
        witness.await_flow()
    verdict = witness.judge(may_lose=True)
    assert verdict.gaps == len(rounds)
    assert witness.site.count(type="padded") == 2 * len(rounds)
    too_large = {"data.reason": "error.connection_lost", "data.detail": {"$regex": "1009"}}
    assert witness.site.count(type="session_down", **too_large) == len(rounds)
    assert witness.site.count(type="session_up") == len(rounds) + 1


@pytest.mark.fault(31)
def test_a_compressed_frame_that_nobody_agreed_on_ends_the_connection_and_costs_no_memory(
    witness: Witness,
) -> None:
    begin(witness)
    before = read_memory_kib(witness.site.processes[-1])
    bomb = zlib.compress(b"0" * _BOMB_BYTES, 9)[2:-4]
    assert len(bomb) < _LIMIT_BYTES

    def push(exchange: object) -> None:
        for stream in exchange.streams:  # type: ignore[attr-defined]
            stream.push(0x41, bomb)  # a text frame with the bit that says it is compressed

    witness.host.operate(push)
    wait_until(lambda: witness.site.count(type="session_up") == 2, _UP_SECONDS)
    assert witness.judge(may_lose=True).gaps == 1
    assert read_memory_kib(witness.site.processes[-1]) - before < _BOMB_BYTES / 1024 / 2


@pytest.mark.fault(34)
def test_names_that_would_steer_a_terminal_or_a_spreadsheet_are_shown_harmless_everywhere(
    witness: Witness,
) -> None:
    begin(witness)
    site, names = (
        witness.site,
        [f"{sign}[/red]x[bold]" for sign in ("=", "+", "@", "\x1b[2J", "\u202e", "\r\n")],
    )
    for name in names:
        data = {"type": "unregistered", "deviceNumber": name, "deviceName": name, name: name}
        for kind in ("call", "acd", "smdr", name):
            witness.host.send(json.dumps({"event": kind, "data": data}))
    witness.judge()
    assert site.count(**{"raw.event": {"$in": names}}) == len(names)
    shown = {form: site.run("events", "--limit", "0", "--format", form).stdout for form in FORMS}
    shown |= {command: site.run(command).stdout for command in ("status", "check")} | {"log": site.logged()}
    for place, text in shown.items():
        assert text, place
        assert not [line for line in text.split("\n") if not line.isprintable()], place
    for form in FORMS:
        assert shown[form].count("[/red]x[bold]") >= len(names), "taken for markup"
    cells = [cell for row in csv.reader(io.StringIO(shown["csv"])) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
