"""What is told to a receiver → the HTTP request that tells it, in the format that the webhook names."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec
from msgspec import Struct

from ipecs_mw.messages.formats.facts import NUMBERS, find_facts
from ipecs_mw.messages.formats.filling import Values, fill, fill_form, fill_text, fill_url, find_value
from ipecs_mw.messages.formats.numbers import spell_number
from ipecs_mw.messages.formats.signing import build_headers
from ipecs_mw.messages.formats.template import Condition, Step, Template
from ipecs_mw.messages.spelling import spell_json
from ipecs_mw.model.configuration.formats import NumberSettings

STANDARD: Final = "standard"
CLOUDEVENTS: Final = "cloudevents"

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_CLOUDEVENT: Final = "application/cloudevents+json"
_CAPTURED = "captured."
_LONGEST_VALUE = 500


class Told(Struct, frozen=True):
    """One delivery: a message under its `webhook-id`, for templates one `step` of it; `at` is when it was made."""

    id: str
    name: str
    at: datetime
    host: str
    data: Mapping[str, Any]
    step: str = ""


class Target(Struct, frozen=True):
    """Where deliveries of a webhook go and how they are put; `keys` sign them, the newest first."""

    url: str
    format: str | Template
    variables: Mapping[str, Any]
    keys: Sequence[bytes]
    plan: NumberSettings


class Outgoing(Struct, frozen=True):
    """A request as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def list_steps(target: Target, name: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the steps that a message is for a webhook; what an earlier reply decides is left open."""
    if isinstance(target.format, str):
        yield ""
        return
    values = _gather(target, Told("", name, _NEVER, "", data), {})
    for step in target.format.steps:
        if name in step.on and all(_may_hold(each, values) for each in step.when):
            yield step.name


def find_step(target: Target, name: str) -> Step | None:
    """Return the step of a template; None where it has none of this name."""
    steps = () if isinstance(target.format, str) else target.format.steps
    return next((step for step in steps if step.name == name), None)


def is_wanted(target: Target, step: Step, told: Told, captured: Mapping[str, Any]) -> bool:
    """Tell whether a step's conditions hold, by what was captured from earlier replies."""
    values = _gather(target, told, captured)
    return all(_holds(each, values) for each in step.when)


def build_request(target: Target, told: Told, captured: Mapping[str, Any], timestamp: int) -> Outgoing:
    """Return the request of a delivery, signed for a try in this second (since 1970)."""
    step = find_step(target, told.step)
    if step is not None:
        return _build_by_step(target, step, told, captured, timestamp)
    if target.format == CLOUDEVENTS:
        body, kind = spell_json(_build_cloudevent(told)), _CLOUDEVENT
    else:
        body, kind = spell_json({"type": told.name, "timestamp": told.at, "data": told.data}), _JSON
    return Outgoing("POST", target.url, build_headers(target.keys, told.id, timestamp, body, kind), body)


def read_captured(
    target: Target, step: Step, told: Told, captured: Mapping[str, Any], body: bytes
) -> dict[str, Any]:
    """Return what a step keeps for later messages of the same call, of its reply and of its own."""
    values = _gather(target, told, captured)
    found: dict[str, Any] = {name: fill_text(text, values) for name, text in step.keep.items()}
    if step.capture:
        try:
            reply = Values({"reply": msgspec.json.decode(body)}, {}, target.plan)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return found
        for name, path in step.capture.items():
            value = find_value(reply, f"reply.{path}")
            if isinstance(value, str | int | float):
                found[name] = value[:_LONGEST_VALUE] if isinstance(value, str) else value
    return found


_NEVER = datetime.min.replace(tzinfo=UTC)


def _build_cloudevent(told: Told) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": told.id,
        "source": f"/ipecs-mw/{quote_plus(told.host)}",
        "type": told.name,
        "time": told.at,
        "datacontenttype": _JSON,
        **({"subject": str(told.data["id"])} if "id" in told.data else {}),
        "data": told.data,
    }


def _build_by_step(
    target: Target, step: Step, told: Told, captured: Mapping[str, Any], timestamp: int
) -> Outgoing:
    values = _gather(target, told, captured)
    body, kind = b"", _JSON
    if step.form is not None:
        body, kind = urlencode(fill_form(step.form, values)).encode(), _FORM
    elif step.json is not None:
        body = spell_json(fill(step.json, values))
    headers = {name.lower(): _one_line(fill_text(text, values)) for name, text in step.headers.items()}
    signed = build_headers(target.keys, told.id, timestamp, body, kind)
    return Outgoing(step.method, fill_url(step.url, values), {**signed, **headers}, body)


def _gather(target: Target, told: Told, captured: Mapping[str, Any]) -> Values:
    """Return what placeholders of a message are filled with; numbers stand in the template's form."""
    template = target.format
    assert isinstance(template, Template)  # noqa: S101 - for the types
    facts = find_facts(told.data) if told.name.startswith("call.") else {}
    for name in NUMBERS & facts.keys():
        facts[name] = spell_number(str(facts[name]), template.numbers, target.plan)
    variables = {name: each.default for name, each in template.variables.items() if each.default is not None}
    variables |= target.variables
    tables = {name: each for name, each in variables.items() if isinstance(each, Mapping)}
    roots = {
        **facts,
        "id": told.id,
        "name": told.name,
        "at": told.at,
        "url": target.url.rstrip("/"),
        "data": told.data,
        "var": variables,
        "captured": captured,
    }
    return Values(roots, {**template.tables, **tables}, target.plan)


def _may_hold(condition: Condition, values: Values) -> bool:
    is_open = condition.field.startswith(_CAPTURED) or (condition.differs_from or "").startswith(_CAPTURED)
    return is_open or _holds(condition, values)


def _holds(condition: Condition, values: Values) -> bool:
    value = find_value(values, condition.field)
    if condition.is_there is not None and (value not in (None, "")) != condition.is_there:
        return False
    if condition.one_of is not None and value not in condition.one_of:
        return False
    return condition.differs_from is None or value != find_value(values, condition.differs_from)


def _one_line(text: str) -> str:
    """Return the value of a header: nothing that was told begins another one."""
    return (
        "".join(sign if sign.isprintable() else " " for sign in text)
        .encode("latin-1", "replace")
        .decode("latin-1")
    )
