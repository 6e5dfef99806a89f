"""Webhooks: who is told what, where; what became of each delivery; tests and replays."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs, to_builtins

from ipecs_mw.api.answers import Missing, Problem
from ipecs_mw.api.cursors import read_delivery_cursor, write_delivery_cursor
from ipecs_mw.api.documents import DeliveryInfo, Page, ReplayResult, TestResult, WebhookInfo
from ipecs_mw.api.endpoints.logged import Cursor, Limit
from ipecs_mw.api.reading import read_instant
from ipecs_mw.api.rows import BASE, Answer, Asked, Endpoint
from ipecs_mw.errors import ChangedMeanwhile, CommandRefused, NoSuchName, Words
from ipecs_mw.messages.rights import MANAGE
from ipecs_mw.messages.webhook import Limits, Topic, find_scope, limit, read_limits
from ipecs_mw.model.configuration.settings import Kind
from ipecs_mw.model.configuration.webhook_settings import WebhookName
from ipecs_mw.model.validation import find_faults
from ipecs_mw.store.applications import webhook_tasks
from ipecs_mw.store.applications.deliveries import State, list_deliveries
from ipecs_mw.store.applications.tokens import Token, load_valid
from ipecs_mw.store.applications.webhooks import (
    add_webhook,
    change_webhook,
    is_orphan,
    list_tokens_of,
    list_webhooks,
    load_webhook,
    remove_webhook,
)

_RIGHT = MANAGE
_ANSWER_SECONDS = 20.0
_MOST_IDS = 500

Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=200)]
Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Secret = Annotated[
    str, Meta(max_length=200, description="`whsec_` and Base64 of 24 to 64 bytes; without it one is made")
]


class _Fields(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    hosts: Names | None = None
    kinds: list[Kind] | None = None
    types: Names | None = None
    stations: Names | None = None
    groups: Names | None = None
    format: (
        Annotated[
            str | dict[str, Any], Meta(description="`standard`, `cloudevents`, a preset, or a template")
        ]
        | None
    ) = None
    state: Literal["active", "paused"] | None = None
    variables: Annotated[dict[str, Any], Meta(description="of the preset or template")] | None = None
    secret: Secret | None = None


class WebhookBody(_Fields, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A new webhook."""

    name: WebhookName
    url: Url
    topics: Annotated[list[Topic], Meta(min_length=1)]  # type: ignore[valid-type]


class WebhookChange(_Fields, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a webhook."""

    url: Url | None = None
    topics: Annotated[list[Topic], Meta(min_length=1)] | None = None  # type: ignore[valid-type]


class ReplayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries are sent again: those of `ids`, else those set aside, with `everything` all."""

    ids: Annotated[list[str], Meta(max_length=_MOST_IDS)] = []
    since: Annotated[datetime, Meta(tz=True)] | None = None
    everything: bool = False


class DeliveryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries."""

    state: State | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


def _list(asked: Asked) -> Answer:
    items = [_show(each) for each in list_webhooks(asked.site.store) if _is_in_scope(asked.token, each)]
    return Answer({"items": items, "next": None})


def _is_in_scope(token: Token, shown: Mapping[str, Any]) -> bool:
    """Tell whether a webhook is told of nothing outside the scope of a token."""
    return token.scope.covers(find_scope(read_limits(shown)))


def _show(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a webhook as the schema has it; of one that somebody wrote otherwise, that it is not used."""
    shown = {name: value for name, value in document.items() if name in _SHOWN}
    if any(find_faults(shown, WebhookInfo)):
        return {"name": str(document["name"]), "url": str(document["url"]), "topics": [], "state": "refused"}
    return shown


_SHOWN = frozenset(field.encode_name for field in structs.fields(WebhookInfo))


def _add(asked: Asked) -> Answer:
    body: WebhookBody = asked.body
    fields = _read_fields(body) | _vouch(asked.token, None)
    name = fields.pop("name")
    try:
        shown, secret = add_webhook(
            asked.site.store, name, fields, by=f"token:{asked.token.name}", now=asked.now
        )
    except NoSuchName:
        raise
    except CommandRefused as error:
        raise Problem(409, error.key, **error.facts) from error
    told = {"secret": secret} if body.secret is None else {}
    return Answer(_show(shown) | told, 201, {"Location": f"{BASE}/webhooks/{name}"})


def _read_fields(body: _Fields) -> dict[str, Any]:
    """Return the fields that are given.

    Its topics need no right of their own: who manages webhooks decides who is told what.
    """
    given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not None}
    _refuse_sources(given.get("variables"))
    return given


def _vouch(token: Token, limits: Limits | None) -> dict[str, Any]:
    """Return what a webhook has of who makes or changes it: their leave, and limits no wider than theirs."""
    return {"limits": to_builtins(limit(limits, token.rights, token.scope)), "token": token.name}


def _refuse_sources(variables: Any) -> None:
    """Refuse a secret of the daemon's machine: who may ask the API may not have it read from there."""
    for name, value in (variables or {}).items():
        if isinstance(value, Mapping) and {"env", "file", "encrypted"} & value.keys():
            raise CommandRefused(
                "error.argument",
                name=f"variables.{name}"[:80],
                value="{…}",
                allowed=Words("allowed.webhook_value"),
            )


def _load(asked: Asked) -> Mapping[str, Any]:
    """Return a webhook; raises Missing where there is none, or where it is told more than the token may see."""
    name = asked.path["id"]
    try:
        found = load_webhook(asked.site.store, name)
    except NoSuchName as error:
        raise _miss(asked, name) from error
    if not _is_in_scope(asked.token, found):
        raise _miss(asked, name)
    return found


def _miss(asked: Asked, name: str) -> Missing:
    names = [each["name"] for each in list_webhooks(asked.site.store) if _is_in_scope(asked.token, each)]
    return Missing("error.webhook_unknown", webhook=name, allowed=", ".join(names) or "-")


def _get(asked: Asked) -> Answer:
    return Answer(_show(_load(asked)))


def _change(asked: Asked) -> Answer:
    found = _load(asked)
    fields = _read_fields(asked.body)
    if not fields:
        names = ", ".join(WebhookChange.__struct_fields__)
        raise CommandRefused(
            "error.argument", name="body", value="{}", allowed=Words("allowed.some_of", names=names)
        )
    store, token = asked.site.store, asked.token
    # who pauses it or has it go on gives it nothing that it had not, unless it needs another one to answer for it
    if fields.keys() != {"state"} or is_orphan(found, load_valid(store, list_tokens_of([found]), asked.now)):
        fields |= _vouch(token, read_limits(found))
    try:
        shown = change_webhook(
            store, asked.path["id"], fields, by=f"token:{token.name}", now=asked.now, seen=found
        )
    except ChangedMeanwhile as error:
        raise Problem(409, error.key, **error.facts) from error
    return Answer(_show(shown))


def _remove(asked: Asked) -> Answer:
    _load(asked)
    remove_webhook(asked.site.store, asked.path["id"])
    return Answer(status=204)


def _list_deliveries(asked: Asked) -> Answer:
    _load(asked)
    query: DeliveryQuery = asked.query
    name = asked.path["id"]
    found = list_deliveries(
        asked.site.store,
        name,
        state=query.state,
        limit=query.limit + 1,
        before=read_delivery_cursor(name, query.cursor),
    )
    items, rest = found[: query.limit], found[query.limit :]
    cursor = write_delivery_cursor(name, items[-1]["id"]) if rest else None
    headers = {} if cursor is None else {"Link": f'<{asked.link(cursor=cursor)}>; rel="next"'}
    shown = [{field: value for field, value in each.items() if field in _OF_DELIVERY} for each in items]
    return Answer({"items": shown, "next": cursor}, headers=headers)


_OF_DELIVERY = frozenset(field.encode_name for field in structs.fields(DeliveryInfo))


async def _test(asked: Asked) -> Answer:
    await asyncio.to_thread(_load, asked)
    task = await asyncio.to_thread(
        webhook_tasks.ask_for_test, asked.site.store, asked.path["id"], by=asked.token.name, now=asked.now
    )
    return await _await(asked, task)


async def _replay(asked: Asked) -> Answer:
    body: ReplayBody = asked.body
    since = None if body.since is None else read_instant("since", body.since.isoformat())
    await asyncio.to_thread(_load, asked)

    def ask() -> str:
        return webhook_tasks.replay(
            asked.site.store,
            asked.path["id"],
            by=asked.token.name,
            now=asked.now,
            ids=body.ids,
            since=since,
            everything=body.everything,
        )

    return await _await(asked, await asyncio.to_thread(ask))


async def _await(asked: Asked, task: str) -> Answer:
    """Return what the sender made of a task; 202 where it does not say soon."""
    clock = asked.site.clock
    give_up_at = clock.monotonic() + _ANSWER_SECONDS
    while clock.monotonic() < give_up_at:
        result = await asyncio.to_thread(webhook_tasks.await_task, asked.site.store, task, 0.0, clock)
        if result is not None:
            return Answer({name: value for name, value in result.items() if value is not None})
        await asyncio.sleep(0.2)
    return Answer({}, 202, {"Retry-After": "5"})


_MISSING = {404: "There is no such webhook."}
_SLOW = {**_MISSING, 202: "The sender has not done it yet; no daemon may be running."}

ROWS = (
    Endpoint("GET", f"{BASE}/webhooks", _RIGHT, "listWebhooks", "All webhooks.", _list, Page[WebhookInfo]),
    Endpoint("POST", f"{BASE}/webhooks", _RIGHT, "addWebhook", "Add a webhook; its secret is shown this once.",
             _add, WebhookInfo, body=WebhookBody, success=201, others={409: "There is one of this name."}),
    Endpoint("GET", f"{BASE}/webhooks/{{id}}", _RIGHT, "getWebhook", "One webhook.", _get, WebhookInfo,
             others=_MISSING),
    Endpoint("PATCH", f"{BASE}/webhooks/{{id}}", _RIGHT, "changeWebhook", "Change, pause or resume a webhook.",
             _change, WebhookInfo, body=WebhookChange, others={**_MISSING, 409: "Somebody else changed it."}),
    Endpoint("DELETE", f"{BASE}/webhooks/{{id}}", _RIGHT, "removeWebhook", "Remove a webhook.", _remove, None,
             others=_MISSING, success=204),
    Endpoint("GET", f"{BASE}/webhooks/{{id}}/deliveries", _RIGHT, "listDeliveries", "Deliveries, newest first.",
             _list_deliveries, Page[DeliveryInfo], DeliveryQuery, others=_MISSING),
    Endpoint("POST", f"{BASE}/webhooks/{{id}}/test", _RIGHT, "testWebhook", "Send a test at once.", _test,
             TestResult, is_slow=True, others=_SLOW),
    Endpoint("POST", f"{BASE}/webhooks/{{id}}/replay", _RIGHT, "replayDeliveries", "Send deliveries again.",
             _replay, ReplayResult, body=ReplayBody, is_slow=True, others=_SLOW),
)  # fmt: skip
"""The endpoints of webhooks."""
