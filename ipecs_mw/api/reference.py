"""The reference of the API as one page of HTML that needs nothing else, made from its description."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

KIND = "text/html; charset=utf-8"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: its own style."""

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}
code{background:#f2f2f2;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}
nav li{list-style:none}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}code{background:#222}th,td{border-color:#333}}
"""


def build_page(description: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info = description["info"]
    operations = list(_list_operations(description))
    contents = "".join(
        f'<li><a href="#{operation["operationId"]}"><code>{method} {escape(path)}</code></a> '
        f"{_mark(operation['summary'])}</li>"
        for method, path, operation in operations
    )
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_mark(info['description'])}</p>",
        "<p>As a machine reads it: <a href='openapi.json'><code>openapi.json</code></a></p>",
        f"<nav><ul>{contents}</ul></nav>",
        *(_describe_operation(*each) for each in operations),
        *(_describe_schema(*each) for each in description["components"]["schemas"].items()),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _list_operations(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _describe_operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rights = operation.get("description") or ("Needs no token." if "security" in operation else "Any token.")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    parts = [
        f'<h2 id="{operation["operationId"]}"><code>{method} {escape(path)}</code></h2>',
        f"<p>{_mark(operation['summary'])} {_mark(rights)}</p>",
        _table(
            ("Parameter", "In", "Allowed", "Meaning"),
            (
                (
                    f"<code>{each['name']}</code>",
                    each["in"],
                    spell_schema(each["schema"]),
                    _mark(each.get("description", "")),
                )
                for each in operation["parameters"]
            ),
        ),
        f"<p>Body: {spell_schema(body)}</p>" if body else "",
        _table(
            ("Answer", "Meaning", "Content"),
            (
                (status, _mark(answer["description"]), " ".join(_spell_content(answer)))
                for status, answer in operation["responses"].items()
            ),
        ),
    ]
    return "".join(parts)


def _spell_content(answer: Mapping[str, Any]) -> Iterator[str]:
    for kind, content in answer.get("content", {}).items():
        yield f"<code>{escape(kind)}</code> {spell_schema(content['schema'])}"


def _describe_schema(name: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = (
        (
            f"<code>{escape(field)}</code>{'' if field not in required else ' *'}",
            spell_schema(part),
            _mark(part.get("description", "")),
        )
        for field, part in schema.get("properties", {}).items()
    )
    return (
        f'<h2 id="schema-{escape(name)}">{escape(name)}</h2><p>{_mark(schema.get("description", ""))}</p>'
        + _table(("Field", "Type", "Meaning"), rows)
    )


def spell_schema(schema: Mapping[str, Any]) -> str:
    """Return what a schema allows, as HTML: types, choices and bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(map(spell_schema, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {spell_schema(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[name]}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"))
        if name in schema
    ]
    kind = schema.get("format") or schema.get("type") or "anything"
    return escape(" ".join([str(kind), *bounds]))


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    if not lines:
        return ""
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<table><tr>{names}</tr><tr>{'</tr><tr>'.join(lines)}</tr></table>"


def _mark(text: str) -> str:
    """Return a sentence as HTML, what stands between backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
