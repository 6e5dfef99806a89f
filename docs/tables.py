"""Tables of settings, commands, codes and options, as Markdown."""
# ruff: noqa: INP001

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import NODEFAULT, inspect

from ipecs_mw.api.app import ROWS
from ipecs_mw.api.metrics import METRICS as API_METRICS
from ipecs_mw.api.rows import ANY_TOKEN, ANYBODY, BASE, BY_BODY
from ipecs_mw.figures.answers.formulas import ALL
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.definitions import Command, Parameter, parse_command
from ipecs_mw.model.texts import REFERENCE_LOCALE
from ipecs_mw.model.validation import show_pattern
from ipecs_mw.seeds import read_json, shipped_strings, shipped_texts
from ipecs_mw.service.health.metrics import METRICS
from ipecs_mw.store.server.rights import RIGHTS

TEXTS = shipped_texts(REFERENCE_LOCALE)
CODES: dict[str, list[dict[str, Any]]] = read_json("codes.json")
YES = "yes"

_KINDS = {
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.StrType: "text",
}
_FORMS = {
    "account": "text",
    "amount": "text; beside it the number",
    "any": "as received",
    "cause": "int",
    "digits": "text",
    "duration": "int, seconds",
    "flag": "true or false",
    "group": "text",
    "hex": "int",
    "int": "int",
    "keypad": "text, a key",
    "secret": "masked",
    "station": "text",
    "text": "text",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; what would end a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(escape_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def code(text: object) -> str:
    """Return text as code; nothing for nothing."""
    return f"`{text}`" if text not in ("", None) else ""


def codes(texts: Iterable[str]) -> str:
    """Return texts as code, separated by commas."""
    return ", ".join(code(text) for text in texts)


def describe_settings() -> str:
    """Return every setting with its path, what it may be, its default and its description."""
    head = ("Setting", "Allowed", "Default", "New session", "Meaning")
    return table(head, _settings(inspect.type_info(Settings), ""))


def describe_commands() -> str:
    """Return a section for every command that ships."""
    commands = [parse_command(item) for item in read_json("commands.json")["commands"]]
    return "\n".join(_describe_command(command) for command in commands)


def describe_rights() -> str:
    """Return what each role of MongoDB may do in which collections."""
    rows = (
        (code(role), code(collection) or "all of the database", codes(actions))
        for role, rights in RIGHTS.items()
        for collection, actions in rights.items()
    )
    return table(("Role", "Collection", "May"), rows)


def describe_formulas() -> str:
    """Return the formulas of the figures: what is divided by what."""
    strings = shipped_strings()[REFERENCE_LOCALE]
    rows = (
        (
            code(formula.name),
            _spell_sum(formula.numerator),
            _spell_sum(formula.denominator, formula.less),
            strings[key],
        )
        for formula in ALL
        for key in (formula.words.key,)
    )
    return table(("Formula", "Numerator", "Denominator", "In words"), rows)


def _spell_sum(names: Sequence[str], less: Sequence[str] = ()) -> str:
    return " + ".join(map(code, names)) + "".join(f" − {code(name)}" for name in less)


def describe_findings() -> str:
    """Return every finding of `check` by its stable name, with its sentence and what to do."""
    strings = shipped_strings()[REFERENCE_LOCALE]
    rows = (
        (code(key.removeprefix("check.")), text, strings.get(key.replace("check.", "advice.", 1), ""))
        for key, text in strings.items()
        if key.startswith("check.")
    )
    return table(("Finding", "Sentence", "What to do"), rows)


def describe_errors() -> str:
    """Return the error numbers of every family."""
    head = ("Family", "Number", "Name", "Meaning")
    return table(
        head,
        (
            (
                code(name.removeprefix("errors_")),
                row["code"],
                code(row["name"]),
                TEXTS.word(name, row["code"]),
            )
            for name, rows in CODES.items()
            if name.startswith("errors_")
            for row in rows
        ),
    )


def describe_acd_events() -> str:
    """Return every ACD code with its type, words, data and whether the call reference comes with it."""
    head = ("Code", "Type", "Meaning", "`call_ref`", "From", "To", "Fields of `data`")
    return table(
        head,
        (
            (
                row["code"],
                code(row["name"]) + ("" if row.get("is_implemented", True) else " ¹"),
                TEXTS.word("acd_events", row["code"]),
                row["call_ref"],
                row.get("source", ""),
                row.get("dest", ""),
                "; ".join(_describe_data(row[name]) for name in ("data1", "data2") if name in row),
            )
            for row in CODES["acd_events"]
        ),
    )


def describe_call_events() -> str:
    """Return every call event with its words and fields, in our names."""
    ours = {row["code"]: row["name"] for row in CODES["call_fields"]}
    return table(
        ("Type", "Meaning", "Fields"),
        (
            (
                code(row["name"]) + (f" (sent as `{row['code']}`)" if row["code"] != row["name"] else ""),
                TEXTS.word("call_events", row["code"]),
                codes(ours[name.rstrip("?[]")] for name in row["fields"]),
            )
            for row in CODES["call_events"]
        ),
    )


def describe_call_fields() -> str:
    """Return the fields of call events."""
    return _describe_fields("call_fields")


def describe_smdr_fields() -> str:
    """Return the fields of call records."""
    return _describe_fields("smdr_fields")


def describe_lookups() -> str:
    """Return the tables that explain single values."""
    events = ("acd_events", "call_events", "call_fields", "smdr_fields")
    return "\n".join(
        f"### `{name}`\n\n"
        + table(
            ("Value", "Name", "Meaning"),
            ((code(row["code"]), row["name"], TEXTS.word(name, row["code"], "")) for row in rows),
        )
        for name, rows in CODES.items()
        if name not in events and not name.startswith("errors_")
    )


def describe_api() -> str:
    """Return every endpoint of the API: its right, what it is, its parameters."""
    rows = (
        (
            code(f"{row.method} {row.path.removeprefix(BASE)}"),
            _RIGHTS_IN_WORDS.get(row.right) or code(row.right + ("ID" if row.right.endswith(".") else "")),
            row.summary,
            codes(name for name in (*row.query.__struct_fields__, *(name for name, _ in row.headers))),
        )
        for row in ROWS
    )
    return table(("Endpoint", "Right", "What", "Parameters"), rows)


_RIGHTS_IN_WORDS = {ANYBODY: "no token", ANY_TOKEN: "any token", BY_BODY: "any token, in the body"}


def describe_metrics() -> str:
    """Return every metric with its labels and meaning."""
    head = ("Metric", "Kind", "Labels", "Meaning")
    return table(head, ((code(m.name), m.kind, codes(m.labels), m.meaning) for m in (*METRICS, *API_METRICS)))


def _settings(kind: inspect.Type, path: str) -> Iterator[tuple[str, ...]]:
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    if not isinstance(kind, inspect.StructType):
        return
    for field in kind.fields:
        at = f"{path}.{field.encode_name}" if path else field.encode_name
        meta = field.type if isinstance(field.type, inspect.Metadata) else inspect.Metadata(field.type)
        if isinstance(meta.type, inspect.StructType):
            yield from _settings(meta.type, at)
            continue
        default = field.default if field.default_factory is NODEFAULT else field.default_factory()
        yield (
            code(at),
            _allowed(meta),
            "needed" if default is NODEFAULT else code(json.dumps(default)),
            YES if (meta.extra or {}).get("reconnect") and at.startswith("hosts") else "",
            str((meta.extra_json_schema or {}).get("description", "")),
        )
        match meta.type:
            case inspect.ListType(item_type=item):
                yield from _settings(item, f"{at}[]")
            case inspect.DictType(value_type=item):
                yield from _settings(item, f"{at}.NUMBER")
            case inspect.UnionType(types=types) if "password" not in at:
                for part in types:
                    yield from _settings(part, at)


def _allowed(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra={"words": key}):
            return TEXTS.render(key)
        case inspect.Metadata(type=inner):
            return _allowed(inner)
        case inspect.UnionType(types=types):
            return " or ".join(_allowed(part) for part in types)
        case inspect.LiteralType(values=values):
            return codes(map(str, values))
        case inspect.IntType(ge=low, le=high):
            return f"{low} to {high}"
        case inspect.StrType(pattern=str(pattern)):
            return f"text like {code(show_pattern(pattern))}"
        case inspect.ListType(item_type=item):
            return f"list of {_allowed(item)}"
        case inspect.StructType():
            return "object"
        case inspect.DictType(key_type=name, value_type=value):
            return f"object of {_allowed(name)}: {_allowed(value)}"
        case _:
            return _KINDS[type(kind)]


def _describe_command(command: Command) -> str:
    facts = [
        ("Request", code(f"{command.method} {command.path}")),
        ("Account", codes(command.services)),
        ("Licence", command.licence or ""),
        ("Replies", codes(command.returns)),
        ("Causes events", codes(command.emits)),
        (
            "Errors",
            f"family {code(command.family)}" + (f": {codes(command.errors)}" if command.errors else ""),
        ),
        ("Safe to repeat", YES if command.is_safe else "no"),
        ("Uncertain", "yes: see [Uncertain](#uncertain)" if command.is_uncertain else ""),
    ]
    syntax = " ".join([command.id, *(_describe_argument(parameter) for parameter in command.params)])
    parts = [
        f"### {command.id}\n",
        TEXTS.render(f"command.{command.id}") + ".\n",
        f"`{syntax}`\n",
        "".join(f"- {name}: {value}\n" for name, value in facts if value),
    ]
    if command.params:
        head = ("Parameter", "Type", "Needed", "Allowed", "In", "Meaning")
        parts.append(table(head, (_describe_parameter(command, parameter) for parameter in command.params)))
    return "\n".join(parts)


def _describe_argument(parameter: Parameter) -> str:
    text = f"{parameter.name}={parameter.type.upper()}"
    return text if parameter.is_required else f"[{text}]"


def _describe_parameter(command: Command, parameter: Parameter) -> tuple[str, ...]:
    own = f"param.{command.id}.{parameter.name}"
    bounds = [
        codes(parameter.choices),
        "" if parameter.pattern is None else f"like {code(parameter.pattern)}",
        "" if parameter.minimum is None else f"at least {parameter.minimum}",
        "" if parameter.maximum is None else f"at most {parameter.maximum}",
        "" if parameter.max_items is None else f"at most {parameter.max_items} items",
        "" if parameter.default is None else f"default {code(parameter.default)}",
        "secret" if parameter.is_secret else "",
    ]
    return (
        code(parameter.name),
        code(parameter.type),
        YES if parameter.is_required else "no",
        "; ".join(filter(None, bounds)),
        parameter.place,
        TEXTS.render(own if own in TEXTS else f"param.{parameter.name}"),
    )


def _describe_data(field: dict[str, Any]) -> str:
    text = f"{code(field['name'])} ({_FORMS[field['as']]})"
    return f"{text}, {code(field['name'] + '_name')}" if "lookup" in field else text


def _describe_fields(name: str) -> str:
    places = {
        "call_ref": "`call_ref` of the event",
        "serial": "`serial` of the event",
        "at": "`at` of the event",
    }
    return table(
        ("On the wire", "Here", "Form", "Words in"),
        (
            (
                code(row["code"]),
                places.get(row.get("role", ""), code(row["name"])),
                _FORMS[row["as"]],
                code(row["name"].removesuffix("_code") + "_name") if "lookup" in row else "",
            )
            for row in CODES[name]
        ),
    )


def escape_cell(value: object) -> str:
    """Return a value as it may stand in a cell."""
    return str(value).replace("|", "\\|").replace("\n", " ")
