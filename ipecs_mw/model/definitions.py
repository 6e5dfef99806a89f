"""Command definitions and code tables: what MongoDB may say about the host's interface, and what is refused.

Both are editable data, so nothing here trusts them: a definition that could send a request anywhere but below
the host's base URI, or that the program could not carry out, is refused when it is loaded.
"""

import re
from collections.abc import Iterator, Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field, to_builtins

from ipecs_mw.model.validation import Fault, convert, find_faults, refuse

Place = Literal["query", "body", "raw", "path"]
ParameterType = Literal["posint", "int", "digits", "digits[]", "dial", "string", "bool", "enum", "query"]
Form = Literal[
    "int", "digits", "text", "group", "keypad", "hex", "duration", "secret", "station", "number", "flag", "any",
    "account", "cause", "amount",
]  # fmt: skip
Role = Literal["station", "party", "group", "call_ref", "serial", "at"]

CommandId = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z", extra={"words": "allowed.command_id"})
]
WireName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*\Z", extra={"words": "allowed.wire_name"})]
OurName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z", extra={"words": "allowed.own_name"})]

SESSION_PLACEHOLDERS = frozenset({"service", "version", "user"})
"""The placeholders of a path that the session fills; every other one is a parameter."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
_PATH_RULE = (
    "a relative path: names of letters, digits, - . _ ~ and whole {placeholders}, single / between them;"
    " no scheme, host, .., query or fragment"
)
_WHOLE_NUMBERS = ("int", "posint")


class Parameter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An argument of a command; the name keeps the spelling used on the wire."""

    name: WireName
    type: ParameterType
    place: Place = field(name="in")
    is_required: bool = field(name="required", default=False)
    default: Any = None
    choices: tuple[str, ...] = field(name="enum", default=())
    pattern: str | None = None
    minimum: int | None = field(name="min", default=None)
    maximum: int | None = field(name="max", default=None)
    max_items: Annotated[int, Meta(ge=1)] | None = None
    is_secret: bool = field(name="secret", default=False)


class Command(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request that the host understands; `path` is relative to the host's base URI.

    `family` says which table explains its error numbers (`errors_FAMILY`, besides `errors_common`). `is_safe`
    says that it may be repeated when its reply was lost, `emits` by which events it then shows that it was
    carried out.
    """

    id: CommandId
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    services: Annotated[tuple[Literal["server", "client"], ...], Meta(min_length=1)]
    family: OurName
    auth: Literal["basic", "bearer"]
    is_safe: bool
    licence: str | None = None
    params: tuple[Parameter, ...] = ()
    returns: tuple[str, ...] = ()
    emits: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    section: str | None = None
    is_uncertain: bool = False

    @property
    def error_table(self) -> str:
        """The code table that explains this command's error numbers."""
        return f"errors_{self.family}"


class CodeEntry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A row of a code table: the value on the wire and its stable name."""

    code: int | str
    name: str


class AcdData(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What `data1` or `data2` of an ACD event holds: its name, its form, the table that explains its value."""

    name: OurName
    form: Form = field(name="as")
    lookup: str | None = None


class AcdEvent(CodeEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An ACD event; `name` is the `type` it is stored under."""

    code: int
    name: OurName
    wire: str
    call_ref: Literal["always", "maybe", "never"]
    source: str | None = None
    dest: str | None = None
    data1: AcdData | None = None
    data2: AcdData | None = None
    is_implemented: bool = True


class CallEvent(CodeEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A call event; `fields` are the wire names that it carries (`?` optional, `[]` a list).

    `renamed_by` maps a field to the name that the event has instead where it carries that field.
    """

    code: str
    name: OurName
    fields: tuple[str, ...] = ()
    renamed_by: dict[str, OurName] = field(default_factory=dict)


class FieldEntry(CodeEntry, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A field of call events or call records: `code` is its name on the wire, `name` ours."""

    code: str
    name: OurName
    form: Form = field(name="as")
    role: Role | None = None
    lookup: str | None = None


_ENTRIES: dict[str, type[CodeEntry]] = {
    "acd_events": AcdEvent,
    "call_events": CallEvent,
    "call_fields": FieldEntry,
    "smdr_fields": FieldEntry,
}
NEEDED_TABLES = (*_ENTRIES, "errors_common")
"""The tables without which no frame and no refusal can be read."""


class Codes:
    """All code tables, by name: `tables` as values, `rows` as the documents they were read from."""

    def __init__(self, tables: Mapping[str, tuple[CodeEntry, ...]]) -> None:
        self.tables = tables
        self.rows: dict[str, list[dict[str, Any]]] = {
            table: to_builtins(list(entries)) for table, entries in tables.items()
        }
        self._found = {table: {entry.code: entry for entry in entries} for table, entries in tables.items()}

    def find(self, table: str, code: int | str) -> CodeEntry | None:
        """Return the entry of a wire value, such as `find("acd_events", 66)`; None where either is unknown."""
        return self._found.get(table, {}).get(code)

    def find_name(self, table: str, code: int | str) -> str | None:
        """Return the stable name of a wire value; None where the table or the value is unknown."""
        entry = self.find(table, code)
        return None if entry is None else entry.name


def parse_command(document: Mapping[str, Any], *, source: str | None = None) -> Command:
    """Return the command of a document, as it stands in a seed file (`id`) or in MongoDB (`_id`, `seeded`).

    Raises InvalidDocument with `document` (the `source`), `path`, `value` and `allowed`.
    """
    content = {
        ("id" if name == "_id" else name): value for name, value in document.items() if name != "seeded"
    }
    source = source or f"commands/{content.get('id')}"
    command = convert(content, Command, source=source)
    refuse(source, (Fault("error.field_value", *fault) for fault in _find_command_faults(command)))
    return command


def parse_codes(documents: Mapping[str, Any], *, source: str = "codes") -> Codes:
    """Return the code tables of `documents`: table name → list of entries.

    Raises InvalidDocument as `parse_command`; the `path` begins with the table's name.
    """
    names = ", ".join(NEEDED_TABLES)
    missing = [table for table in NEEDED_TABLES if table not in documents]
    refuse(source, (Fault("error.field_missing", table, None, names) for table in missing))
    for table in documents:
        convert(table, OurName, source=source)
    try:
        tables = {
            table: tuple(msgspec.convert(entries, GenericAlias(list, (_ENTRIES.get(table, CodeEntry),))))
            for table, entries in documents.items()
        }
    except msgspec.ValidationError:
        refuse(
            source, (fault for table, entries in documents.items() for fault in _find_rows(table, entries))
        )
        raise
    refuse(source, (Fault("error.field_value", *fault) for fault in _find_table_faults(tables)))
    return Codes(tables)


def _find_rows(table: str, entries: Any) -> Iterator[Fault]:
    """Yield what is wrong in a table, each path beginning with the table and the row."""
    if not isinstance(entries, list):
        yield Fault("error.field_value", table, entries, "list of entries")
        return
    for row, entry in enumerate(entries):
        yield from find_faults(entry, _ENTRIES.get(table, CodeEntry), f"{table}[{row}]")


def _find_command_faults(command: Command) -> Iterator[tuple[str, Any, str]]:
    """Yield (path, value, what is allowed) for what the types alone cannot say."""
    names = [parameter.name for parameter in command.params]
    for index, parameter in enumerate(command.params):
        if parameter.name in names[:index]:
            yield f"params[{index}].name", parameter.name, "a name that no other parameter has"
        for name, value, allowed in _find_parameter_faults(parameter):
            yield f"params[{index}].{name}", value, allowed
    in_path = {parameter.name for parameter in command.params if parameter.place == "path"}
    yield from _find_path_faults(command.path, in_path)
    raws = [index for index, parameter in enumerate(command.params) if parameter.place == "raw"]
    bodies = [index for index, parameter in enumerate(command.params) if parameter.place in ("raw", "body")]
    if raws and len(bodies) > 1:
        yield f"params[{raws[0]}].in", "raw", "raw only where no other parameter is in the body"


def _find_parameter_faults(parameter: Parameter) -> Iterator[tuple[str, Any, str]]:
    if (parameter.type == "enum") != bool(parameter.choices):
        yield "enum", list(parameter.choices), "the values that may be chosen, for the type enum and no other"
    if len(set(parameter.choices)) != len(parameter.choices):
        yield "enum", list(parameter.choices), "each value once"
    low, high = parameter.minimum, parameter.maximum
    for name, value in (("min", low), ("max", high)):
        if value is not None and parameter.type not in _WHOLE_NUMBERS:
            yield name, value, f"only for the types {', '.join(_WHOLE_NUMBERS)}"
    if low is not None and high is not None and low > high:
        yield "min", low, f"at most max, which is {high}"
    if parameter.max_items is not None and parameter.type != "digits[]":
        yield "max_items", parameter.max_items, "only for the type digits[]"
    if parameter.pattern is not None:
        try:
            re.compile(parameter.pattern)
        except (re.error, OverflowError, RecursionError) as error:  # a{4294967295}; thousands of brackets
            yield "pattern", parameter.pattern, f"a regular expression ({error})"


def _find_path_faults(path: str, in_path: set[str]) -> Iterator[tuple[str, str, str]]:
    """Judge a path by what it may consist of, so that nothing that leaves the base URI need be thought of."""
    allowed = sorted(SESSION_PLACEHOLDERS | in_path)
    seen = set()
    for segment in path.split("/"):
        placeholder = _PLACEHOLDER.fullmatch(segment)
        if placeholder and placeholder[1] in allowed:
            seen.add(placeholder[1])
        elif placeholder:
            known = ", ".join(f"{{{name}}}" for name in allowed)
            yield "path", path, f"only the placeholders {known}, and parameters with in: path"
        elif not _LITERAL.fullmatch(segment):
            yield "path", path, _PATH_RULE
    for name in sorted(in_path - seen):
        yield "path", path, f"a path with {{{name}}}, because that parameter has in: path"


def _find_table_faults(tables: Mapping[str, tuple[CodeEntry, ...]]) -> Iterator[tuple[str, Any, str]]:
    call_names = {entry.name for entry in tables["call_events"]}
    for table, entries in tables.items():
        seen: set[str] = set()
        for row, entry in enumerate(entries):
            if str(entry.code) in seen:
                yield f"{table}[{row}].code", entry.code, "a code that no other entry of the table has"
            seen.add(str(entry.code))
            for path, lookup in _lookups(entry):
                if lookup is not None and lookup not in tables:
                    yield f"{table}[{row}].{path}", lookup, f"a table: {', '.join(tables)}"
            for name, other in entry.renamed_by.items() if isinstance(entry, CallEvent) else ():
                if other not in call_names:
                    yield f"{table}[{row}].renamed_by.{name}", other, "the name of a call event"


def _lookups(entry: CodeEntry) -> Iterator[tuple[str, str | None]]:
    match entry:
        case AcdEvent(data1=data1, data2=data2):
            for name, data in (("data1", data1), ("data2", data2)):
                if data is not None:
                    yield f"{name}.lookup", data.lookup
        case FieldEntry(lookup=lookup):
            yield "lookup", lookup
