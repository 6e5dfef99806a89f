"""The REST side of the simulated host: from an HTTP request to a reply or to the vendor's refusal."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ipecs_mw.errors import CommandRefused
from ipecs_mw.seeds import read_json
from ipecs_mw.simulator.host.exchange import Exchange
from ipecs_mw.simulator.host.requests import HANDLERS, Job
from ipecs_mw.simulator.host.rest_faults import reply_faultily
from ipecs_mw.simulator.wire import wire
from ipecs_mw.simulator.wire.parameters import check_arguments
from ipecs_mw.simulator.wire.refusals import refuse, refuse_with
from ipecs_mw.simulator.wire.sessions import Session, read_bearer

_FOREIGN = {  # a request of the other service, by its family
    "cti": ("serviceNotSupported", "cti"),
    "clickcall": ("access denied", "clickcall"),
    "smdr": ("unknown", "smdr"),
    "common": ("unknown", "common"),
}
_RESOURCES = {"API-SMDR": "SMDR", "API-CTI": "CTI"}


def _read_commands() -> dict[tuple[str, str], Mapping[str, Any]]:
    prefix = "{service}/{version}/users/{user}/"
    return {
        (row["method"], row["path"].removeprefix(prefix)): row
        for row in read_json("commands.json")["commands"]
    }


class RestApi:
    """An ASGI application over the table of commands."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._commands = _read_commands()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        body = await request.body()
        fault = self._exchange.take_fault(scope["path"])
        if fault is not None and not fault.is_after:
            await reply_faultily(self._exchange, fault, request, send)
            return
        try:
            response = self.answer(request, body)
        except CommandRefused as refusal:
            response = _build_refusal(refusal)
        for stream in list(self._exchange.streams):
            stream.flush()  # events of a request are on their way before its reply
        if fault is None:
            await response(scope, receive, send)
        else:
            await reply_faultily(self._exchange, fault, request, send)

    def answer(self, request: Request, body: bytes) -> Response:
        """Carry out a request. Raises CommandRefused."""
        match wire.split_path(request.scope["raw_path"].decode("latin-1")):
            case ["ipxapi", service, version, "users", user, _, *_] as parts:
                feature = "/".join(parts[5:])
            case _:
                raise refuse("unknown", family="common", status=404)
        if version != "v1":
            raise refuse("version error", family="common", status=404)
        row = self._commands.get((request.method, feature))
        if row is None or service not in ("server", "client"):
            raise refuse("unknown", family="common", status=404)
        authorization = request.headers.get("authorization", "")
        if row["auth"] == "basic":
            self._exchange.asked[row["id"]] += 1
            return _reply(self._log_in(service, user, authorization))
        session = self._exchange.sessions.find(service, user, read_bearer(authorization))
        if service not in row["services"]:
            name, family = _FOREIGN[row["family"]]
            raise refuse(name, family=family)
        self._check_licence(row.get("licence"), session)
        args = check_arguments(row, request.scope["query_string"], body)
        self._exchange.asked[row["id"]] += 1
        if row["id"] == "logout":
            self._exchange.sessions.end(session)
            return Response()
        if row["id"] == "checkconnection":
            return _reply({})
        job = Job(self._exchange.pbx, self._exchange.conferences, session, args)
        result = HANDLERS[row["id"]](job)
        if result is None:
            return Response()
        if "transactionID" in args:
            result["transactionID"] = args["transactionID"]
        return _reply(result)

    def _log_in(self, service: str, user: str, authorization: str) -> dict[str, Any]:
        scheme, _, word = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(word, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name, password = "", ""
        if scheme.lower() != "basic" or name != user:
            raise refuse_with(2, "Invalid Login Information", status=401)
        session = self._exchange.log_in(service, user, password)
        reply = {
            "token": session.token,
            "checkConnectionTimer": int(self._exchange.sessions.timer_seconds),
            "systemType": "UCP600",
            "systemVersion": "S-UCP-Rls2008-4.0.33",
            "apiVersion": "1.0",
        }
        if "CTI" in session.account.resources and service == "server":
            reply["terminalCount"] = len(self._exchange.pbx.stations)
        return reply

    def _check_licence(self, licence: str | None, session: Session) -> None:
        if licence is None:
            return
        resource = _RESOURCES.get(licence)
        is_allowed = (
            resource is None or session.account.service == "client" or resource in session.account.resources
        )
        if licence not in self._exchange.licences or not is_allowed:
            raise refuse("license error", family="common")


def _reply(result: dict[str, Any]) -> Response:
    return Response(json.dumps(result), media_type="application/json")


def _build_refusal(refusal: CommandRefused) -> Response:
    facts = refusal.facts
    body = {"error": {"code": facts["code"], "message": facts["message"]}}
    return Response(json.dumps(body), facts["status"], media_type="application/json")
