"""OpenAPI 3.1, made from the rows of the endpoints."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ipecs_mw import __version__
from ipecs_mw.api.answers import JSON, PROBLEM, ProblemDocument
from ipecs_mw.api.rows import ANY_TOKEN, ANYBODY, BY_BODY, Endpoint

_REFERENCE = "#/components/schemas/{name}"
NO_CONTENT = 204
_PARAMETER = re.compile(r"\{(\w+)\}")

COMMON: Mapping[int, str] = {
    400: "A parameter or the body is wrong; `detail` says which, its value, and what is allowed.",
    401: "There is no token, or it is not valid.",
    403: "The token has no right to this, or it is outside of its scope.",
    429: "Too many failed sign-ins from this address, or too many streams.",
    503: "The database cannot be asked now.",
}
"""Statuses that any endpoint with a token may answer."""

_OF_BODIES: Mapping[int, str] = {
    413: "The body is too long.",
    415: "The body is not `application/json`.",
}


def build_openapi(rows: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document for these endpoints."""
    types = [row.result for row in rows] + [row.body for row in rows if row.body] + [ProblemDocument]
    queries = [row.query for row in rows]
    schemas, components = msgspec.json.schema_components([*types, *queries], ref_template=_REFERENCE)
    of_results = schemas[: len(rows)]
    of_queries = {
        row.query: _find_properties(schema, components)
        for row, schema in zip(rows, schemas[len(types) :], strict=True)
    }
    used = {schema["$ref"].rsplit("/", 1)[-1] for schema in schemas[: len(types)] if "$ref" in schema}
    paths: dict[str, dict[str, Any]] = {}
    for row, result in zip(rows, of_results, strict=True):
        paths.setdefault(row.path, {})[row.method.lower()] = _describe(row, result, of_queries[row.query])
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "ipecs-mw",
            "version": __version__,
            "description": "Calls, events, figures and commands of Ericsson-LG iPECS phone systems.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _keep_used(components, used),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`ipecs-mw token create`"}
            },
        },
    }


def _find_properties(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    found = components[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema
    properties: Mapping[str, Any] = found.get("properties", {})
    return properties


def _keep_used(components: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """Return the schemas that bodies and answers need; those of queries are written out as parameters."""
    waiting, kept = sorted(used), {}
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = components[name]
            waiting += re.findall(r"#/components/schemas/([\w.\[\]-]+)", repr(components[name]))
    return dict(sorted(kept.items()))


def _describe(row: Endpoint, result: Mapping[str, Any], query: Mapping[str, Any]) -> dict[str, Any]:
    """Return one operation."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(row.path)
    ]
    parameters += [_describe_parameter(name, schema) for name, schema in query.items()]
    parameters += [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": words,
            "schema": {"type": "string", "maxLength": 255},
        }
        for name, words in row.headers
    ]
    operation: dict[str, Any] = {
        "operationId": row.id,
        "summary": row.summary,
        "parameters": parameters,
        "responses": _describe_answers(row, result),
    }
    if row.right in (ANYBODY, BY_BODY):
        operation["security"] = []
    elif row.right != ANY_TOKEN:
        operation["description"] = f"Needs the right `{row.right}{'ID' if row.right.endswith('.') else ''}`."
    if row.body is not None:
        name = _REFERENCE.format(name=row.body.__name__)
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": {"$ref": name}}}}
    return operation


def _describe_parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    described = dict(schema)
    words = described.pop("description", None)
    # null cannot stand in a query: who wants none leaves it out
    if "anyOf" in described:
        parts = [part for part in described["anyOf"] if part != {"type": "null"}]
        described.pop("anyOf")
        described |= parts[0] if len(parts) == 1 else {"anyOf": parts}
        words = words or described.pop("description", None)
    if "enum" in described:
        described["enum"] = [value for value in described["enum"] if value is not None]
    if described.get("default", 0) is None:
        described.pop("default")
    if described.get("type") == "array":
        described["items"] = {"type": "string", "minLength": 1, "maxLength": 500} | described.get("items", {})
    elif described.get("type") == "string" and "enum" not in described:
        described = {"minLength": 1, "maxLength": 500} | described
    parameter = {"name": name, "in": "query", "required": False, "schema": described}
    return parameter | ({"description": words} if words else {})


def _describe_answers(row: Endpoint, result: Mapping[str, Any]) -> dict[str, Any]:
    content = {JSON: {"schema": result}} if row.success != NO_CONTENT else {}
    if row.has_csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    if row.kind:
        content = {row.kind: {"schema": {"type": "string"}}}
    answers: dict[str, Any] = {
        str(row.success): {"description": row.summary, **({"content": content} if content else {})}
    }
    statuses = {**({} if row.right == ANYBODY else COMMON), **(_OF_BODIES if row.body else {}), **row.others}
    for status, words in sorted(statuses.items()):
        is_problem = status >= 400
        schema = {"$ref": _REFERENCE.format(name="ProblemDocument")} if is_problem else result
        answer: dict[str, Any] = {
            "description": words,
            "content": {PROBLEM if is_problem else JSON: {"schema": schema}},
        }
        if status in (429, 503):
            answer["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
        answers[str(status)] = answer
    return answers
