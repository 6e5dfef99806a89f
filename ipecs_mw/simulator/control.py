"""The control interface: plain HTTP on loopback, a thin table over the methods of the simulated host.

`GET /` tells the state. `POST /NAME` with a JSON object of arguments does what the table has under that name. The
body must be declared as JSON, which no web page can do across origins without asking.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ipecs_mw.errors import CannotStart, CommandRefused
from ipecs_mw.simulator import calls, features
from ipecs_mw.simulator.faults import Faults
from ipecs_mw.simulator.host import SimulatedHost
from ipecs_mw.simulator.pbx import Call, Pbx, status_of

_MOST_BYTES = 16 * 1024 * 1024
_SWITCHES = tuple(f.name for f in fields(Faults) if f.name.startswith("is_"))

Action = Callable[..., Any]


def _on_pbx(act: Action) -> Action:
    """Return an action on the PBX as one on the host; a call is told by its reference."""

    def run(host: SimulatedHost, **arguments: Any) -> Any:
        result = host.operate(lambda exchange: act(exchange.pbx, **arguments))
        return result.ref if isinstance(result, Call) else result

    return run


def _switch(host: SimulatedHost, **switches: bool) -> dict[str, bool]:
    for name, is_on in switches.items():
        if name not in _SWITCHES or not isinstance(is_on, bool):
            raise ValueError(name)
        setattr(host.faults, name, is_on)
    return {name: getattr(host.faults, name) for name in _SWITCHES}


def _change_certificate(host: SimulatedHost, **arguments: Any) -> str:
    return host.change_certificate(**arguments).fingerprint_sha256


def _hang_up_outside(pbx: Pbx, ref: int) -> None:
    calls.hang_up_outside(pbx, pbx.calls[ref])


def _set_dnd(pbx: Pbx, number: str, *, is_on: bool) -> None:
    features.set_dnd(pbx, number, is_on=is_on)


ACTIONS: Mapping[str, Action] = {
    "send": SimulatedHost.send,
    "drop": SimulatedHost.drop,
    "expire-tokens": SimulatedHost.expire_tokens,
    "skip-serials": SimulatedHost.skip_serials,
    "beat": SimulatedHost.beat,
    "reboot": SimulatedHost.reboot,
    "answer-wrongly": SimulatedHost.answer_wrongly,
    "licence": SimulatedHost.set_licence,
    "switch": _switch,
    "change-certificate": _change_certificate,
    "arrive": _on_pbx(calls.arrive),
    "make": _on_pbx(calls.make),
    "answer": _on_pbx(calls.answer),
    "clear": _on_pbx(calls.clear),
    "hang-up-outside": _on_pbx(_hang_up_outside),
    "register": _on_pbx(features.register),
    "unregister": _on_pbx(features.unregister),
    "dnd": _on_pbx(_set_dnd),
    "message": _on_pbx(features.leave_message),
}


def describe(host: SimulatedHost) -> dict[str, Any]:
    """Return what `GET /` tells."""
    return {
        "address": host.address,
        "port": host.port,
        "fingerprint_sha256": host.fingerprint_sha256,
        "sent": host.sent,
        "sessions": {user: _plain(asdict(view)) for user, view in host.sessions.items()},
        "switches": _switch(host),
        "calls": host.operate(lambda exchange: {ref: call.legs for ref, call in exchange.pbx.calls.items()}),
        "stations": host.operate(
            lambda exchange: {number: status_of(s) for number, s in exchange.pbx.stations.items()}
        ),
        "actions": sorted(ACTIONS),
    }


def _plain(view: dict[str, Any]) -> dict[str, Any]:
    return {name: sorted(v) if isinstance(v, frozenset) else v for name, v in view.items()}


class Control:
    """Serves the control interface in a thread of its own while the block runs.

    `port` 0 takes a free one. Raises CannotStart where the port cannot be had.
    """

    def __init__(self, host: SimulatedHost, port: int) -> None:
        handler = type("Handler", (_Handler,), {"host": host})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise CannotStart(
                "error.simulator_port", address="127.0.0.1", port=port, reason=error.strerror
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="control")

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    host: SimulatedHost

    def do_GET(self) -> None:
        """Tell the state."""
        if self.path == "/":
            self._reply(200, describe(self.host))
        else:
            self._reply(404, {"error": "GET has / only"})

    def do_POST(self) -> None:
        """Carry out one action."""
        action = ACTIONS.get(self.path.strip("/"))
        size = int(self.headers.get("Content-Length") or 0)
        if action is None:
            self._reply(404, {"error": "no such action", "actions": sorted(ACTIONS)})
        elif self.headers.get_content_type() != "application/json" or size > _MOST_BYTES:
            self._reply(400, {"error": "a JSON object with Content-Type: application/json is needed"})
        else:
            self._act(action, self.rfile.read(size))

    def _act(self, action: Action, body: bytes) -> None:
        try:
            self._reply(200, {"result": action(self.host, **json.loads(body or b"{}"))})
        except CommandRefused as refusal:
            self._reply(409, {"error": refusal.facts})
        except (ValueError, TypeError, KeyError) as error:
            self._reply(400, {"error": f"wrong arguments: {error}"})

    def _reply(self, status: int, content: Any) -> None:
        body = json.dumps(content, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: every action is somebody's at the keyboard."""
