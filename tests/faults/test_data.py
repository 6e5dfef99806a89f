"""The host sends what no host should: the connection stays, and everything is kept."""

import random
import zlib

import pytest
from faults.injections import ODD
from faults.oracle import Witness, is_streaming
from sites import wait_until

_UP_SECONDS = 60.0
_LIMIT_BYTES = 1024 * 1024


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


@pytest.mark.fault(12, 30, 32, 33, few=10, many=500)
def test_odd_frames_are_kept_beside_their_neighbours_and_the_connection_stays(
    witness: Witness, rounds: int
) -> None:
    chance = random.Random(30)
    begin(witness)
    for _ in range(rounds):
        for frame in chance.sample(ODD, len(ODD)):
            witness.send_odd(frame)
            witness.send(chance.randint(0, 2))
    witness.host.send("")
    verdict = witness.judge()
    assert verdict.gaps == 0
    assert witness.site.count(type="session_up") == 1
    assert witness.site.count(kind="undecodable") >= rounds
    assert "Traceback" not in witness.site.logged()


def pad(size: int) -> str:
    """Return an odd frame that is `size` bytes long once it has its number, which takes up to eight bytes."""
    head, tail = '{"event":"padded","data":{"number":"@","padding":"', '"}}'
    return head + "x" * (size - len(head) - len(tail) - 8) + tail


@pytest.mark.fault(31, few=1, many=5)
def test_a_frame_up_to_the_limit_is_stored_and_one_above_it_is_a_gap_and_no_storm(
    witness: Witness, rounds: int
) -> None:
    begin(witness)
    for _ in range(rounds):
        for size in (_LIMIT_BYTES - 1000, _LIMIT_BYTES):
            witness.send_odd(pad(size))
        witness.await_flow()
        ups = witness.site.count(type="session_up")
        witness.host.send("x" * (_LIMIT_BYTES + 1))
        wait_until(lambda ups=ups: witness.site.count(type="session_up") > ups, _UP_SECONDS)
        witness.await_flow()
    verdict = witness.judge(may_lose=True)
    assert verdict.gaps == rounds
    assert witness.site.count(type="padded") == 2 * rounds
    assert witness.site.count(type="session_up") == rounds + 1


@pytest.mark.fault(31)
def test_a_compressed_frame_that_nobody_agreed_on_ends_the_connection_and_costs_no_memory(
    witness: Witness,
) -> None:
    begin(witness)
    bomb = zlib.compress(b"0" * 100_000_000, 9)[2:-4]
    assert len(bomb) < _LIMIT_BYTES

    def push(exchange: object) -> None:
        for stream in exchange.streams:  # type: ignore[attr-defined]
            stream.push(0x41, bomb)  # a text frame with the bit that says it is compressed

    witness.host.operate(push)
    wait_until(lambda: witness.site.count(type="session_up") == 2, _UP_SECONDS)
    assert witness.judge(may_lose=True).gaps == 1
