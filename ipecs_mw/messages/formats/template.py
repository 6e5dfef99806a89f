"""A template: which requests a receiver gets for which messages, as data that cannot loop, import or call."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from ipecs_mw.errors import Words
from ipecs_mw.messages.formats.facts import FACTS
from ipecs_mw.messages.formats.filling import FILTERS, Placeholder, list_placeholders, read_placeholder
from ipecs_mw.model.configuration.rules import Wrong

MESSAGES: Final = (
    "agent",
    "alarm.ended",
    "alarm.raised",
    "call.answered",
    "call.began",
    "call.changed",
    "call.ended",
    "call.missed",
    "call.ringing",
    "event",
    "figures",
    "gap",
    "host",
    "missed",
    "queue",
    "report",
    "request",
    "station",
    "test",
)
"""Names of messages, as on the stream; `test` is what a person asks for."""

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
Text = Annotated[str, Meta(max_length=4096)]
Header = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}\Z")]
MessageName = Literal[MESSAGES]  # type: ignore[valid-type]
Value = str | int | bool

CALL_FIELDS: Final = frozenset(
    {
        "id", "host", "call_refs", "direction", "is_open", "began_at", "queued_at", "rang_at", "answered_at",
        "ended_at", "caller", "dialed", "answered_by", "trunks", "stations", "groups", "outcome", "ended_by",
        "cause", "account_code", "seconds", "counts", "segments", "records", "quality", "revision", "updated_at",
        "is_gone",
    }
)  # fmt: skip
_OF_EVERY_MESSAGE = frozenset({"id", "name", "at", "url"})
_ROOTS = ("data", "var", "captured")
_MOST_CAPTURED = 8
_OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that are not a template's to say."""


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold of a field: it is one of some values, is there or not, or differs from another field."""

    field: Annotated[str, Meta(min_length=1, max_length=200)]
    one_of: Annotated[list[Value], Meta(min_length=1)] | None = None
    is_there: bool | None = None
    differs_from: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One request for messages of some names.

    `capture` keeps values of the reply (name → path in its JSON), `keep` values of our own (name → text), both
    for later messages of the same call, as `captured.NAME`. A reply with `refused_by` in it is a failure. After
    `within_seconds` the request is of no more use.
    """

    name: Name
    on: Annotated[list[MessageName], Meta(min_length=1)]
    when: list[Condition] = field(default_factory=list)
    method: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    url: Text = "{url}"
    headers: dict[Header, Text] = field(default_factory=dict)
    json: Any = None
    form: dict[Annotated[str, Meta(min_length=1, max_length=100)], Text] | None = None
    capture: dict[Name, Annotated[str, Meta(min_length=1, max_length=200)]] = field(default_factory=dict)
    keep: dict[Name, Text] = field(default_factory=dict)
    refused_by: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    within_seconds: Annotated[int, Meta(ge=1, le=86400)] | None = None


class Variable(Struct, frozen=True, forbid_unknown_fields=True):
    """What is set for each webhook: a text, or a table of texts."""

    is_secret: bool = False
    is_required: bool = False
    is_table: bool = False
    default: Value | None = None


class Template(Struct, frozen=True, forbid_unknown_fields=True):
    """The requests of a receiver. `numbers` is the form of `number` and `called`.

    `has_secret_url`: the URL itself lets its holder in. `tables` give a value for a value, `*` for any other.
    """

    steps: Annotated[list[Step], Meta(min_length=1, max_length=32)]
    numbers: Literal["e164", "digits", "national", "as_dialled"] = "e164"
    tables: dict[Name, dict[str, Value]] = field(default_factory=dict)
    variables: dict[Name, Variable] = field(default_factory=dict)
    has_secret_url: bool = False


def check_template(template: Any) -> Wrong:
    """Refuse a template that names what does not exist, or has two steps of one name."""
    names = [step.name for step in template.steps]
    captured = {name for step in template.steps for name in (*step.capture, *step.keep)}
    for index, step in enumerate(template.steps):
        below = f".steps[{index}]"
        if names.index(step.name) != index:
            yield f"{below}.name", step.name, Words("allowed.name_of_its_own")
        if step.json is not None and step.form is not None:
            yield f"{below}.form", "form", Words("allowed.json_or_form")
        for name in step.headers:
            if name.lower() in _OWN_HEADERS:
                yield (
                    f"{below}.headers.{name}",
                    name,
                    Words("allowed.header", names=", ".join(sorted(_OWN_HEADERS))),
                )
        if len({*step.capture, *step.keep}) > _MOST_CAPTURED:
            yield f"{below}.capture", len(step.capture), Words("allowed.most_captured", most=_MOST_CAPTURED)
        is_call = all(name.startswith("call.") for name in step.on)
        for path, text, place in _find_placeholders(step):
            if not _is_name(place.path, template, captured, is_call=is_call):
                yield f"{below}{path}", text, _describe_names(template, captured)
            yield from _check_filters(place.filters, template, f"{below}{path}", text)


def _find_placeholders(step: Step) -> Iterator[tuple[str, str, Placeholder]]:
    """Yield each placeholder of a step: where it stands, and in which text."""
    for path, text in _find_texts(step):
        yield from ((path, text, place) for place in list_placeholders(text))
    for number, condition in enumerate(step.when):
        for text in filter(None, (condition.field, condition.differs_from)):
            yield f".when[{number}].field", text, read_placeholder(text)


def _find_texts(step: Step) -> Iterator[tuple[str, str]]:
    """Yield where a step has a text with placeholders, and the text."""
    yield ".url", step.url
    for part in ("headers", "form", "keep"):
        yield from ((f".{part}.{name}", text) for name, text in (getattr(step, part) or {}).items())
    yield from _find_in(step.json, ".json")


def _find_in(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _find_in(part, f"{path}.{name}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _find_in(part, f"{path}[{index}]")


def _is_name(path: str, template: Template, captured: set[str], *, is_call: bool) -> bool:
    root, _, rest = path.partition(".")
    if root not in _ROOTS:
        return path in _OF_EVERY_MESSAGE or (path in FACTS and is_call)
    first = rest.partition(".")[0]
    known = {"var": template.variables, "captured": captured}
    if root in known:
        return first in known[root] and ("." not in rest)
    return not rest or not is_call or first in CALL_FIELDS


def _describe_names(template: Template, captured: set[str]) -> Words:
    names = [*_OF_EVERY_MESSAGE, *FACTS, "data.…"]
    names += [f"var.{name}" for name in template.variables] + [f"captured.{name}" for name in captured]
    return Words("allowed.placeholder", names=", ".join(sorted(names)), filters=", ".join(FILTERS))


def _check_filters(filters: list[tuple[str, str]], template: Template, path: str, text: str) -> Wrong:
    tables = {*template.tables, *(name for name, each in template.variables.items() if each.is_table)}
    for name, argument in filters:
        if name not in FILTERS:
            yield path, text, Words("allowed.filters", filters=", ".join(FILTERS))
        elif name in ("table", "renamed") and argument not in tables:
            yield path, text, Words("allowed.tables", tables=", ".join(sorted(tables)) or "-")
