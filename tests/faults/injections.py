"""What a soak does to a scene: a function a fault, each leaving everything running when it returns."""

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

from faults.scene import Scene
from sites import kill, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator.wire.faults import KINDS
from ipecs_mw.store.coordination.requests import submit_request

REFUSED_BY_BSON = (
    '{"event":"acd","data":{"text":"@","number":36893488147419103232}}',
    '{"event":"acd","data":{"text":"@","deep":' + "[" * 150 + "]" * 150 + "}}",
    '{"event":"acd","data":{"text":"@","a\\u0000b":1}}',
)
DAMAGED = (
    '{"event":"acd","data":{"text":"@ \\ud800"}}',
    "no JSON at all @",
    '{"event":"acd","data":{"eventCode":66,"text":"@',
    '{"event":"acd","data":{"text":"@"}}{"event":"acd"}',
    b'{"event":"acd","data":{"text":"\xb1\xe8 @"}}',
    b"\xff\xfe\x00 @",
    "{\u201cevent\u201d:\u201cacd\u201d,\u201cdata\u201d:{\u201ctext\u201d:\u201c@\u201d}}",
    '{"event":"acd","data":{"text":"@",},}',
    b'\xef\xbb\xbf{"event":"acd","data":{"text":"@"}}',
)
UNUSUAL = (
    '{"event":"acd","data":{"text":"@","eventCode":NaN}}',
    '{"event":"acd","data":{"text":"a\tb @","eventCode":9999}}',
    '{"event":"call","data":{"type":"brandNew","text":"@"}}',
    '{"event":"acd","data":{"text":"@","eventCode":[66],"callRefID":{}}}',
    '{"event":["acd"],"data":"@"}',
    '[1, "@"]',
)
OPERATORS = (
    '{"event":"acd","data":{"text":"@","$where":{"$ne":null},"a.b":1}}',
    '{"event":"acd","data":{"text":"@","eventCode":{"$gt":""},"callRefID":{"$ne":null}}}',
    '{"event":"call","data":{"type":"$set","text":"@","deviceNumber":"$$ROOT"}}',
)
ODD = (*REFUSED_BY_BSON, *DAMAGED, *UNUSUAL, *OPERATORS)

_LONGEST_STOP_SECONDS = 10.0

_COMMANDS = (("call.status", {"deviceNumber": "1001"}), ("smdr.get", {"countOnly": True}), ("nonsense", {}))


def kill_mongod(scene: Scene) -> None:
    scene.servers.kill()
    scene.pause(0.0, 12.0)
    scene.servers.servers[0].start()
    wait_until(scene.servers.find_primary, 60)


def pause_mongod(scene: Scene) -> None:
    server = scene.servers.servers[0]
    server.signal(signal.SIGSTOP)
    scene.pause(0.5, 25.0)
    server.signal(signal.SIGCONT)


def cut_mongod(scene: Scene) -> None:
    scene.to_mongod.cut(how=scene.chance.choice(("rst", "fin")))


def lose_replies_of_mongod(scene: Scene) -> None:
    scene.to_mongod.fatal_request = b"insert\x00\x07\x00\x00\x00events"
    scene.pause(0.5, 4.0)
    scene.to_mongod.fatal_request = None


def swallow_mongod(scene: Scene) -> None:
    scene.to_mongod.swallow()


def delay_mongod(scene: Scene) -> None:
    scene.to_mongod.delay_seconds = scene.chance.uniform(0.05, 1.0)
    scene.pause(1.0, 6.0)
    scene.to_mongod.delay_seconds = 0.0


def kill_daemon(scene: Scene) -> None:
    scene.may_lose = True
    scene.note_memory()
    kill(scene.daemon)
    scene.pause(0.0, 5.0)
    scene.site.start()


def stop_daemon(scene: Scene) -> None:
    scene.may_lose = True  # what arrives while it logs out
    scene.await_start()
    scene.note_memory()
    asked_at = time.monotonic()
    scene.daemon.terminate()
    assert scene.daemon.wait(60) == 0, "the daemon did not stop with 0"
    seconds = time.monotonic() - asked_at
    scene.slowest_stop_seconds = max(scene.slowest_stop_seconds, seconds)
    assert seconds <= _LONGEST_STOP_SECONDS, f"a stop took {seconds:.1f} s"
    scene.pause(0.0, 3.0)
    scene.site.start()


def pause_daemon(scene: Scene) -> None:
    os.kill(scene.daemon.pid, signal.SIGSTOP)
    scene.pause(0.5, 25.0)
    os.kill(scene.daemon.pid, signal.SIGCONT)


def drop_socket(scene: Scene) -> None:
    how = scene.chance.choice(("rst", "fin", "close"))
    scene.host.drop(how=how, code=scene.chance.choice((1001, 1006, 1008, 1011, 1012, 1013)))


def cut_host(scene: Scene) -> None:
    scene.may_lose = True  # what was in the proxy
    scene.to_host.cut(how=scene.chance.choice(("rst", "fin")))


def swallow_host(scene: Scene) -> None:
    scene.may_lose = True
    scene.to_host.swallow()
    scene.pause(1.0, 45.0)


def expire_tokens(scene: Scene) -> None:
    scene.host.expire_tokens()
    ask(scene)


def reboot_host(scene: Scene) -> None:
    scene.may_lose = True
    scene.host.reboot()


def answer_wrongly(scene: Scene) -> None:
    scene.host.answer_wrongly(scene.chance.choice(KINDS), count=scene.chance.randint(1, 3))
    if scene.chance.random() < 0.5:
        drop_socket(scene)
    ask(scene)


def send_odd(scene: Scene) -> None:
    for _ in range(scene.chance.randint(1, 20)):
        scene.witness.send_odd(scene.chance.choice(ODD))


def burst(scene: Scene) -> None:
    scene.witness.send(scene.chance.randint(500, 4000))


def ask(scene: Scene) -> None:
    """Queue commands; what becomes of them is looked at in the end."""
    now = SystemClock().now()
    command, arguments = scene.chance.choice(_COMMANDS)
    submit_request(
        scene.site.store,
        command,
        arguments,
        host="host0",
        by="soak",
        created_at=now,
        expires_at=now + timedelta(seconds=30),
    )


INJECTIONS: dict[Callable[[Scene], None], int] = {
    kill_mongod: 3,
    pause_mongod: 2,
    cut_mongod: 2,
    lose_replies_of_mongod: 2,
    swallow_mongod: 1,
    delay_mongod: 2,
    kill_daemon: 3,
    stop_daemon: 3,
    pause_daemon: 2,
    drop_socket: 3,
    cut_host: 2,
    swallow_host: 1,
    expire_tokens: 2,
    reboot_host: 2,
    answer_wrongly: 2,
    send_odd: 4,
    burst: 4,
    ask: 2,
}
"""Each fault and how often it comes beside the others."""
