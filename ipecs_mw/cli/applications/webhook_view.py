"""Webhooks, deliveries and presets as lines for people."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.messages.formats.template import Template
from ipecs_mw.model.texts import Texts

_LISTS = ("topics", "hosts", "groups", "stations", "kinds", "types")
_PRESETS = {
    "bitrix24": "preset.bitrix24",
    "generic": "preset.generic",
    "hubspot-log": "preset.hubspot-log",
    "pipedrive-log": "preset.pipedrive-log",
    "vtiger": "preset.vtiger",
    "zammad": "preset.zammad",
}


def describe_webhook(document: Mapping[str, Any], texts: Texts) -> list[str]:
    """Return the lines of a webhook: its name and state, then a fact a line."""
    state = texts.render(f"webhook.state.{document.get('state', 'active')}")
    reason = f" ({document['reason']})" if document.get("reason") else ""
    form = document.get("format", "standard")
    facts = {
        "url": str(document.get("url", "")),
        "format": form if isinstance(form, str) else texts.render("webhook.template"),
        **{name: ", ".join(map(str, document.get(name) or ())) for name in _LISTS},
        "variables": ", ".join(document.get("variables") or ()),
        "token": str(document.get("token") or ""),
        "made": f"{local_time(document['created_at'])} {document.get('created_by', '')}".strip()
        if "created_at" in document
        else "",
    }
    lines = [f"  {texts.render(f'webhook.field.{name}')}: {value}" for name, value in facts.items() if value]
    return [f"{document['name']}  {state}{reason}", *lines]


def describe_delivery(document: Mapping[str, Any], texts: Texts) -> str:
    """Return the line of a delivery: when, what, how it stands, what the last try said."""
    attempts = document.get("attempts") or ()
    last = attempts[-1] if attempts else {}
    said = last.get("error") or " ".join(str(last[name]) for name in ("status", "answer") if name in last)
    name = f"{document['name']}/{document['step']}" if document.get("step") else document["name"]
    state = texts.render(f"delivery.state.{document['state']}")
    tries = texts.render("delivery.tries", count=document.get("tries", 0))
    parts = (
        local_time(document["at"]),
        document["id"],
        name,
        state,
        tries,
        said or document.get("reason", ""),
    )
    return "  ".join(str(part) for part in parts if part)


def describe_preset(name: str, template: Template, texts: Texts) -> str:
    """Return the line of a preset: its name, and what has to be set for it."""
    variables = [
        f"{each}*" if variable.is_required else each for each, variable in template.variables.items()
    ]
    return f"{name:15}{texts.render(_PRESETS[name])}" + (f" [{', '.join(variables)}]" if variables else "")
