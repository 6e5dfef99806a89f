"""What the control interface answers to what is wrong: JSON that names it, never an error of Python's."""

from typing import Any

import pytest
import requests

from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.simulator.host.control import ACTIONS, Control


@pytest.mark.parametrize(
    ("action", "given", "argument", "allowed"),
    [
        ("arrive", {"outside": "61234567", "did": "1", "target": "nobody"}, "target", "620"),
        ("arrive", {"outside": "61234567", "did": "1"}, "target", "needed"),
        ("make", {"number": "1000", "dialled": "1001"}, "dialled", "dialed"),
        ("make", {"number": 1000, "dialed": "1001"}, "number", "str"),
        ("register", {"number": "9999"}, "number", "1000"),
        ("hang-up-outside", {"ref": 77}, "ref", "call"),
        ("answer", {"number": "1000", "ref": "1"}, "ref", "int"),
        ("dnd", {"number": "1000", "is_on": 1}, "is_on", "bool"),
        ("drop", {"how": "gently"}, "how", "rst"),
        ("drop", {"how": "close", "code": 70000}, "code", "4999"),
        ("answer-wrongly", {"kind": "rude"}, "kind", "truncated"),
        ("licence", {"licence": "API-X", "is_there": True}, "licence", "API-CTI"),
        ("switch", {"is_sillent": True}, "is_sillent", "is_silent"),
        ("switch", {"is_silent": "yes"}, "is_silent", "true"),
        ("change-certificate", {"days": 10**9}, "days", "36500"),
        ("change-certificate", {"names": ["not a name"]}, "names", "regex"),
        ("skip-serials", {"count": -1}, "count", "0"),
        ("beat", {"now": True}, "now", "no argument"),
        ("beat", [1], "", "object"),
    ],
)
def test_a_wrong_argument_of_the_control_interface_is_named_with_its_value_and_what_is_allowed(
    host: SimulatedHost, action: str, given: Any, argument: str, allowed: str
) -> None:
    with Control(host, 0) as control, requests.Session() as session:
        session.trust_env = False
        reply = session.post(f"http://127.0.0.1:{control.port}/{action}", json=given, timeout=60)
        found = reply.json()
        assert (reply.status_code, found["argument"]) == (400, argument)
        assert found["value"] == (given.get(argument) if isinstance(given, dict) else given)
        assert allowed in found["allowed"]
        for word in ("()", "Error", "unexpected", "positional"):
            assert word not in reply.text


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"number": {"a": []}}']
)
def test_whatever_is_posted_is_answered_in_json(host: SimulatedHost, action: str, body: bytes) -> None:
    with Control(host, 0) as control, requests.Session() as session:
        session.trust_env = False
        headers = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{control.port}/{action}"
        reply = session.post(url, data=body, headers=headers, timeout=60)
        assert reply.status_code in (200, 400, 409)
        assert isinstance(reply.json(), dict)
