"""MongoDB is killed, paused, slow, or fails while frames come."""

import random
import signal
import threading
import time

import pytest
from faults.oracle import Witness
from faults.recording import Rounds
from faults.servers import ReplicaSet
from sites import is_streaming, wait_until

_UP_SECONDS = 40.0
_HUNG_SECONDS = (5.0, 60.0, 25.0, 5.0)


def begin(witness: Witness) -> None:
    witness.site.configure(witness.host)
    witness.site.start()
    wait_until(lambda: is_streaming(witness.host), _UP_SECONDS)
    witness.await_flow()


@pytest.mark.fault(1, few=2, many=20)
def test_mongod_killed_in_the_middle_of_batches_costs_nothing(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    chance = random.Random(1)
    server = own_set.servers[0]
    begin(own_witness)
    for number in rounds:
        burst = threading.Thread(target=own_witness.send, args=(2000,))
        burst.start()
        time.sleep(chance.uniform(0.0, 0.6))
        server.kill()
        burst.join()
        own_witness.send(100)
        wait_until(lambda: own_witness.count_waiting() >= 100, _UP_SECONDS)
        time.sleep(chance.uniform(0.0, 30.0 if number % 7 == 6 else 3.0))
        server.start()
        wait_until(own_set.find_primary, 60)
    own_witness.judge()
    assert own_witness.site.count(type="gap") == 0
    assert own_witness.site.count(type="session_up") == 1, "the connection to the host was touched"
    wait_until(lambda: own_witness.count_waiting() == 0, _UP_SECONDS)


@pytest.mark.fault(2, few=1, many=4)
def test_mongod_paused_holds_up_no_frame_and_doubles_none(
    own_witness: Witness, own_set: ReplicaSet, rounds: Rounds
) -> None:
    begin(own_witness)
    for number in rounds:
        own_witness.send(1000)
        own_set.servers[0].signal(signal.SIGSTOP)
        try:
            own_witness.send(1000)
            # what came before may be stored by now, though the journal cannot know
            wait_until(lambda: own_witness.count_waiting() >= 1000, _UP_SECONDS)
            time.sleep(_HUNG_SECONDS[number])
        finally:
            own_set.servers[0].signal(signal.SIGCONT)
        own_witness.await_flow()
    own_witness.judge()
    assert own_witness.site.count(type="gap") == 0
    assert own_witness.site.count(type="session_up") == 1
