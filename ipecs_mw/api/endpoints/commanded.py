"""Commands to the phone system: which there are, giving one at most once, what became of it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct, field, to_builtins

from ipecs_mw.api.answers import Missing, Problem
from ipecs_mw.api.documents import CommandInfo, Page, RequestInfo
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint
from ipecs_mw.api.scoping import check_right, choose_host
from ipecs_mw.errors import ChangedMeanwhile, CommandRefused, NoSuchName, Words
from ipecs_mw.messages.rights import COMMANDS, allows
from ipecs_mw.model.definitions import Command
from ipecs_mw.protocol.arguments import check_arguments
from ipecs_mw.store.applications.keyed_requests import (
    find_request,
    show_request,
    submit_keyed,
)
from ipecs_mw.store.applications.tokens import Token
from ipecs_mw.store.configuration.definitions import load_commands
from ipecs_mw.store.coordination.requests import DONE_STATES, Secrets, find_secrets

_ACTING = ("deviceNumber", "DN", "callingDN", "From")
"""Arguments that say which station a command acts for."""

_MOST_WAIT_SECONDS = 5.0
_GRACE_SECONDS = 2.0  # what was claimed in the last moment
_FIRST_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.25
_POLL_SHARE = 0.2
_LONGEST_KEY = 255


class CommandBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A command: `host` may be left out where there is only one."""

    command: Annotated[str, Meta(min_length=1, max_length=64, description="id, such as `call.make`")]
    args: Annotated[dict[str, Any], Meta(description="by the names of `GET /commands`")] = field(
        default_factory=dict
    )
    host: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    timeout_seconds: Annotated[
        float,
        Meta(
            ge=0.1,
            le=300,
            description="not sent any more once it is over; the answer comes then at the latest",
        ),
    ] = 15.0


def _list_commands(asked: Asked) -> Answer:
    known = load_commands(asked.site.store)
    items = [
        CommandInfo(
            name, _describe(name, asked), [to_builtins(each) for each in command.params], command.is_safe
        )
        for name, command in known.items()
        if allows(asked.token.rights, COMMANDS + name)
    ]
    return Answer({"items": items, "next": None})


def _describe(name: str, asked: Asked) -> str:
    key = f"command.{name}"
    return asked.texts.render(key) if key in asked.texts else name


async def _send(asked: Asked) -> Answer:
    """Queue the command in a worker thread, and wait without holding one."""
    body: CommandBody = asked.body
    request, secrets = await asked.site.run(_submit, asked, body)
    wait = min(body.timeout_seconds + _GRACE_SECONDS, _MOST_WAIT_SECONDS)
    clock = asked.site.clock
    began_at = clock.monotonic()
    while request["state"] not in DONE_STATES:
        waited = clock.monotonic() - began_at
        if waited >= wait:
            location = f"{BASE}/requests/{request['_id']}"
            return Answer(show_request(request, secrets), 202, {"Location": location, "Retry-After": "1"})
        await asyncio.sleep(min(max(waited * _POLL_SHARE, _FIRST_POLL_SECONDS), _LONGEST_POLL_SECONDS))
        found = await asked.site.run(find_request, asked.site.store, str(request["_id"]))
        if found is None:
            raise Missing("error.no_such_request", id=str(request["_id"]))
        request = found
    return Answer(show_request(request, secrets), 200, {"Location": f"{BASE}/requests/{request['_id']}"})


def _submit(asked: Asked, body: CommandBody) -> tuple[Mapping[str, Any], Secrets]:
    """Return the request, and the names of its secret arguments."""
    key = asked.headers.get("idempotency-key")
    if key is not None and not (key.strip() and len(key) <= _LONGEST_KEY and key.isprintable()):
        allowed = Words("allowed.text_length", low=1, high=_LONGEST_KEY)
        raise CommandRefused("error.argument", name="Idempotency-Key", value=repr(key)[:80], allowed=allowed)
    check_right(asked.token, COMMANDS + body.command)
    known = load_commands(asked.site.store)
    if body.command not in known:
        raise NoSuchName("error.command_unknown", command=body.command)
    command = known[body.command]
    checked = check_arguments(command, body.args)
    _check_station(asked.token, command, checked)
    host = choose_host(asked.token.scope, body.host)
    names = sorted(each.name for each in asked.site.settings.hosts)
    if host is not None and names and host not in names:
        raise NoSuchName("error.no_such_choice", name="host", value=host, allowed=", ".join(names))
    if host is None and len(names) != 1:
        raise CommandRefused("error.host_not_named", allowed=", ".join(names) or "-")
    secrets = frozenset(each.name.lower() for each in command.params if each.is_secret)
    try:
        request = submit_keyed(
            asked.site.store,
            body.command,
            body.args,
            secrets=secrets,
            token=asked.token.name,
            key=key,
            host=host,
            profile=asked.site.profile,
            created_at=asked.now,
            expires_at=asked.now + timedelta(seconds=body.timeout_seconds),
        )
    except ChangedMeanwhile as error:
        raise Problem(422, error.key, **error.facts) from error
    return request, secrets


def _check_station(token: Token, command: Command, arguments: Mapping[str, Any]) -> None:
    """Refuse a command that does not act for a station, or a group, of the token's scope alone."""
    scope = token.scope
    if not scope.is_narrow:
        return
    named = [(name, arguments[name]) for name in _ACTING if name in arguments]
    if scope.stations:
        wrong = [(name, value) for name, value in named if not _is_within(value, scope.stations)]
        if named and not wrong:
            return
        name, value = wrong[0] if wrong else ("deviceNumber", "-")
        allowed = ", ".join(sorted(scope.stations))
    else:
        name, value = "groupNumber", arguments.get("groupNumber", "-")
        if str(value) in scope.groups:
            return
        allowed = ", ".join(sorted(scope.groups))
    raise Problem(
        403, "error.outside_scope", name=f"{command.id} {name}", value=str(value)[:80], allowed=allowed
    )


def _is_within(value: Any, stations: frozenset[str]) -> bool:
    return all(str(each) in stations for each in (value if isinstance(value, list) else [value]))


def _show_request(asked: Asked) -> Answer:
    """Return a request that this token may see: its own, and those of commands that it may give."""
    request = find_request(asked.site.store, asked.path["id"])
    is_own = request is not None and request.get("created_by") == f"token:{asked.token.name}"
    if request is None or not (is_own or _may_see(asked.token, request)):
        raise Missing("error.no_such_request", id=asked.path["id"][:80])
    spelled = show_request(request, find_secrets(asked.site.store))
    return Answer(spelled if is_own else asked.hide(spelled))  # who gave a command has seen its numbers


def _may_see(token: Token, request: Mapping[str, Any]) -> bool:
    scope, host = token.scope, str(request.get("host", ""))
    is_in_scope = not scope.is_narrow and (not scope.hosts or host in scope.hosts)
    return is_in_scope and allows(token.rights, f"{COMMANDS}{request.get('command', '')}")


ROWS = (
    Endpoint("GET", f"{BASE}/commands", COMMANDS, "listCommands", "The commands that this token may give.",
             _list_commands, Page[CommandInfo]),
    Endpoint("POST", f"{BASE}/requests", COMMANDS, "sendCommand",
             "Have a command carried out, at most once: with the same `Idempotency-Key` it is the same request.",
             _send, RequestInfo, body=CommandBody, is_slow=True,
             headers=(("Idempotency-Key", "any text of yours"),),
             others={202: "It has not ended yet; ask at `Location`.",
                     422: "The key was used for another command."}),
    Endpoint("GET", f"{BASE}/requests/{{id}}", COMMANDS, "getRequest", "What became of a command.", _show_request,
             RequestInfo, others={404: "There is no such request."}),
)  # fmt: skip
"""The endpoints of commands."""
