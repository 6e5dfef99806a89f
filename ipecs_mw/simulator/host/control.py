"""The control interface: plain HTTP on loopback, a thin table over the methods of the simulated host.

`GET /` tells the state, `GET /truth?since=SECONDS` what really happened. `POST /NAME` with a JSON object of
arguments does what the table has under that name. The body must be declared as JSON, which no web page can do
across origins without asking.
"""

import inspect
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from ipecs_mw.errors import CannotStart, CommandRefused
from ipecs_mw.simulator.host.exchange import LICENCES
from ipecs_mw.simulator.host.host import SimulatedHost
from ipecs_mw.simulator.pbx import calls, features
from ipecs_mw.simulator.pbx.parts import status_of
from ipecs_mw.simulator.pbx.pbx import Pbx
from ipecs_mw.simulator.wire.faults import KINDS, Faults
from ipecs_mw.simulator.wire.variants import VARIANTS

_MOST_TOLD = 100
_MOST_BYTES = 16 * 1024 * 1024
_SWITCHES = tuple(f.name for f in fields(Faults) if f.name.startswith("is_"))

Action = Callable[..., Any]


class WrongArgument(Exception):
    """What is wrong with an argument: its `name`, the `value` and what is `allowed`."""

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        super().__init__(name)
        self.facts = {"argument": name, "value": value, "allowed": allowed}


@dataclass(frozen=True)
class Known:
    """Says of an argument what it may be, as far as that is listed."""

    what: str
    find: Callable[[Pbx], Iterable[Any]]


_Station = Annotated[str, Known("a station", lambda pbx: pbx.stations)]
_Target = Annotated[str, Known("a station or a group", lambda pbx: [*pbx.stations, *pbx.groups])]
_Call = Annotated[int, Known("the reference of a call", lambda pbx: pbx.calls)]
_Kind = Annotated[str, Known("a kind of wrong reply", lambda _: KINDS)]
_Licence = Annotated[str, Known("a licence", lambda _: sorted(LICENCES))]
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:*-]+$", max_length=253)]
_Count = Annotated[int, Meta(ge=0, le=1_000_000)]


def _send(host: SimulatedHost, frame: str | dict[str, Any]) -> int:
    return host.send(frame)


def _drop(
    host: SimulatedHost,
    how: Literal["rst", "fin", "close"] = "rst",
    code: Annotated[int, Meta(ge=1000, le=4999)] = 1001,
    *,
    is_drained: bool = True,
) -> int:
    return host.drop(how=how, code=code, is_drained=is_drained)


def _skip_serials(host: SimulatedHost, count: _Count = 1) -> None:
    host.skip_serials(count)


def _answer_wrongly(host: SimulatedHost, kind: _Kind, count: _Count = 1, feature: str = "") -> None:
    host.answer_wrongly(kind, count=count, feature=feature)


def _set_licence(host: SimulatedHost, licence: _Licence, *, is_there: bool) -> None:
    host.set_licence(licence, is_there=is_there)


def _switch(host: SimulatedHost, **switches: bool) -> dict[str, bool]:
    for name, is_on in switches.items():
        if name not in _SWITCHES:
            raise WrongArgument(name, is_on, ", ".join(_SWITCHES))
        if not isinstance(is_on, bool):
            raise WrongArgument(name, is_on, "true or false")
        setattr(host.faults, name, is_on)
    return {name: getattr(host.faults, name) for name in _SWITCHES}


def _vary(host: SimulatedHost, **choices: Any) -> dict[str, Any]:
    for name, value in choices.items():
        if name not in VARIANTS:
            raise WrongArgument(name, value, ", ".join(VARIANTS))
        _check_value(host, name, value, VARIANTS[name])
    for name, value in choices.items():
        setattr(host.variants, name, value)
    return asdict(host.variants)


def _change_certificate(
    host: SimulatedHost,
    days: Annotated[int, Meta(ge=-3650, le=36500)] = 3650,
    names: Annotated[list[_Name], Meta(min_length=1)] | None = None,
) -> str:
    return host.change_certificate(days=days, names=names).fingerprint_sha256


def _arrive(pbx: Pbx, outside: str, did: str, target: _Target, name: str = "") -> int | None:
    call = calls.arrive(pbx, outside, did, target, name)
    return None if call is None else call.ref


def _make(pbx: Pbx, number: _Station, dialed: str) -> int:
    return calls.make(pbx, number, dialed).ref


def _answer(pbx: Pbx, number: _Station, ref: int) -> None:
    calls.answer(pbx, number, ref)


def _clear(pbx: Pbx, number: _Station, ref: int) -> None:
    calls.clear(pbx, number, ref)


def _hang_up_outside(pbx: Pbx, ref: _Call) -> None:
    calls.hang_up_outside(pbx, pbx.calls[ref])


def _register(pbx: Pbx, number: _Station) -> None:
    features.register(pbx, number)


def _unregister(pbx: Pbx, number: _Station) -> None:
    features.unregister(pbx, number)


def _set_dnd(pbx: Pbx, number: _Station, *, is_on: bool) -> None:
    features.set_dnd(pbx, number, is_on=is_on)


def _leave_message(pbx: Pbx, number: _Station, new: _Count, old: _Count = 0, urgent: _Count = 0) -> None:
    features.leave_message(pbx, number, new, old, urgent)


def _expire_tokens(host: SimulatedHost) -> None:
    host.expire_tokens()


def _beat(host: SimulatedHost) -> None:
    host.beat()


def _reboot(host: SimulatedHost) -> None:
    host.reboot()


ACTIONS: Mapping[str, Action] = {
    "send": _send,
    "drop": _drop,
    "expire-tokens": _expire_tokens,
    "skip-serials": _skip_serials,
    "beat": _beat,
    "reboot": _reboot,
    "answer-wrongly": _answer_wrongly,
    "licence": _set_licence,
    "switch": _switch,
    "vary": _vary,
    "change-certificate": _change_certificate,
    "arrive": _arrive,
    "make": _make,
    "answer": _answer,
    "clear": _clear,
    "hang-up-outside": _hang_up_outside,
    "register": _register,
    "unregister": _unregister,
    "dnd": _set_dnd,
    "message": _leave_message,
}
"""What `POST /NAME` does: on the host, or on its PBX where the first argument is one."""


def act(host: SimulatedHost, action: Action, given: Any) -> Any:
    """Carry out an action with the arguments that were given. Raises WrongArgument, CommandRefused."""
    hints = get_type_hints(action, include_extras=True)
    subject, *names = inspect.signature(action).parameters
    if not isinstance(given, dict):
        raise WrongArgument("", given, "a JSON object")
    if action not in (_switch, _vary):  # which take any of their many
        _check_names(action, names, given)
        for name, value in given.items():
            _check_value(host, name, value, hints[name])
    if hints[subject] is SimulatedHost:
        return action(host, **given)
    return host.operate(lambda exchange: action(exchange.pbx, **given))


def _check_names(action: Action, names: Sequence[str], given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in names:
            raise WrongArgument(name, value, ", ".join(names) or "no argument")
    parameters = inspect.signature(action).parameters
    for name in names:
        if name not in given and parameters[name].default is inspect.Parameter.empty:
            raise WrongArgument(name, None, "it is needed")


def _check_value(host: SimulatedHost, name: str, value: Any, kind: Any) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        allowed = ", ".join(get_args(bare)) if get_origin(bare) is Literal else str(error)
        raise WrongArgument(name, value, allowed) from error
    for known in get_args(kind):
        if isinstance(known, Known):
            there = _list_known(host, known)
            if value not in there:
                told = ", ".join(map(str, there[:_MOST_TOLD])) + (", …" if len(there) > _MOST_TOLD else "")
                raise WrongArgument(name, value, f"{known.what}: {told or 'there is none'}")


def _list_known(host: SimulatedHost, known: Known) -> list[Any]:
    return host.operate(lambda exchange: list(known.find(exchange.pbx)))


def describe(host: SimulatedHost) -> dict[str, Any]:
    """Return what `GET /` tells."""
    return {
        "address": host.address,
        "port": host.port,
        "fingerprint_sha256": host.fingerprint_sha256,
        "sent": host.sent,
        "sessions": {user: _plain(asdict(view)) for user, view in host.sessions.items()},
        "switches": _switch(host),
        "variants": asdict(host.variants),
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
        """Tell the state, or the truth."""
        path, _, query = self.path.partition("?")
        if path == "/":
            self._reply(200, describe(self.host))
        elif path == "/truth":
            self._tell_truth(dict(parse_qsl(query, keep_blank_values=True)))
        else:
            self._reply(404, {"error": "GET has / and /truth"})

    def _tell_truth(self, given: Mapping[str, str]) -> None:
        since = given.get("since", "0")
        wrong = next((name for name in given if name != "since"), None)
        if wrong is not None:
            facts = WrongArgument(wrong, given[wrong], "since").facts
        elif not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", since, re.ASCII):
            facts = WrongArgument("since", since, "seconds of the clock of the phone system, from 0").facts
        else:
            self._reply(200, self.host.truth(float(since)))
            return
        self._reply(400, {"error": "wrong argument", **facts})

    def do_POST(self) -> None:
        """Carry out one action."""
        action = ACTIONS.get(self.path.strip("/"))
        length = self.headers.get("Content-Length") or "0"
        size = int(length) if length.isascii() and length.isdigit() and len(length) < 10 else _MOST_BYTES + 1
        if action is None:
            self._reply(404, {"error": "no such action", "actions": sorted(ACTIONS)})
        elif self.headers.get_content_type() != "application/json" or size > _MOST_BYTES:
            self._reply(400, {"error": "a JSON object with Content-Type: application/json is needed"})
        else:
            self._act(action, self.rfile.read(size))

    def _act(self, action: Action, body: bytes) -> None:
        try:
            given = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            self._reply(400, {"error": "the body is no JSON"})
            return
        try:
            self._reply(200, {"result": act(self.host, action, given)})
        except WrongArgument as wrong:
            self._reply(400, {"error": "wrong argument", **wrong.facts})
        except CommandRefused as refusal:
            self._reply(409, {"error": refusal.facts})

    def _reply(self, status: int, content: Any) -> None:
        body = json.dumps(content, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: every action is somebody's at the keyboard."""
