"""Each request as data (`cases/requests/*.json`): what is sent, what comes back, which events follow."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from recorder import recording
from request_scene import COMMANDS, PASSWORDS, Scene, build_host, load_cases

from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.definitions import Command

CASES = load_cases()
NOT_OF_A_REQUEST = {
    "every call event of those terminals",  # a remark, not a type
    "agent_work",  # begins by itself when an agent's call ends
}
Open = Callable[[str, str], Scene]


@pytest.fixture(scope="module")
def open_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    opened: list[Scene] = []
    with build_host() as host, recording(host.port) as recorder:

        @cache
        def open_one(account: str, password: str) -> Scene:
            opened.append(Scene(host, recorder, tmp_path_factory.mktemp(account), account, password))
            return opened[-1]

        yield open_one
        for scene in opened:
            scene.close()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_request_is_sent_answered_and_followed_as_its_case_says(
    case: dict[str, Any], open_scene: Open
) -> None:
    account = case.get("account", "apiuser")
    scene = open_scene(account, case.get("password", PASSWORDS[account]))
    scene.begin(is_logged_in=case["command"] != "login")
    for step, args in case.get("given", ()):
        scene.prepare(step, args)
    signed = scene.settle()
    result, error = None, {}
    try:
        result = scene.ask(case["command"], case.get("args", {}))
    except IpecsMwError as refusal:
        error = {"class": type(refusal).__name__, **refusal.facts}
    exchanges = scene.take_exchanges()
    assert [exchange.as_case() for exchange in exchanges] == case["exchanges"]
    assert {exchange.authorization for exchange in exchanges} <= {signed}
    assert {name: error.get(name) for name in case.get("error", error)} == case.get("error", {})
    assert result == case.get("result")
    if "events" in case:
        for step, args in case.get("then", ()):
            scene.prepare(step, args)
        assert scene.take_events() == case["events"]


def test_every_request_has_a_case_that_succeeds() -> None:
    assert {case["command"] for case in CASES.values() if "error" not in case} == set(COMMANDS)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS.values() if command.emits], ids=lambda c: c.id
)
def test_the_events_of_a_request_come_in_the_documented_order(command: Command) -> None:
    documented = [name for name in command.emits if name not in NOT_OF_A_REQUEST]
    cases = [case for case in CASES.values() if case["command"] == command.id and "events" in case]
    seen = set()
    for case in cases:
        types = [event.split()[1] for event in case["events"]]
        found = [name for name in dict.fromkeys(types) if name in documented]
        assert found == [name for name in documented if name in found]
        seen.update(found)
    assert seen == set(documented)
