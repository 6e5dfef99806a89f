"""Webhooks as they stand in MongoDB → what is needed to send for them, and what is wrong with the others."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from ipecs_mw import logs
from ipecs_mw.errors import InvalidDocument, IpecsMwError, Words
from ipecs_mw.messages.formats.requests import Target
from ipecs_mw.messages.formats.signing import decode_secret
from ipecs_mw.messages.formats.template import Template
from ipecs_mw.messages.selection import Selection
from ipecs_mw.messages.webhook import (
    Webhook,
    build_selection,
    find_missing_variables,
    is_hidden,
    list_secret_variables,
    parse_webhook,
)
from ipecs_mw.model.configuration.access_settings import SecretSource
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.validation import convert
from ipecs_mw.service.session.credentials import Decrypt, read_secret
from ipecs_mw.store.applications.webhook_secrets import Hidden, find_meaning

_SHORTEST_HIDDEN = 6


class Active(Struct, frozen=True):
    """A webhook that can be sent for. `secrets` are texts that no answer may repeat."""

    name: str
    webhook: Webhook
    target: Target
    selection: Selection
    secrets: frozenset[str]

    @property
    def is_sending(self) -> bool:
        """Whether it is neither paused nor disabled."""
        return bool(self.webhook.state == "active")

    @property
    def has_memory(self) -> bool:
        """Whether its requests depend on earlier ones of the same call."""
        template = self.target.format
        return isinstance(template, Template) and any(step.capture or step.keep for step in template.steps)

    def mask(self, text: str) -> str:
        """Return what a receiver said without the secrets that it may repeat."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def make_active(
    document: Mapping[str, Any], hidden: Hidden, plan: NumberSettings, decrypt: Decrypt, now: datetime
) -> Active:
    """Return what is needed to send for a webhook. Raises InvalidDocument, SecretUnreadable, StoreError."""
    webhook = parse_webhook(document)
    name = str(document["_id"])
    is_meant = hidden.meant_for == find_meaning(document)  # else somebody has it sent elsewhere
    variables = {**(document.get("variables") or {}), **(hidden.variables if is_meant else {})}
    for missing in find_missing_variables(webhook, frozenset(variables)):
        raise _fault(name, f"variables.{missing}", "error.field_missing")
    keys = [_read_key(name, hidden.secret, "secret", decrypt)]
    if hidden.former is not None and hidden.former_until is not None and now < hidden.former_until:
        try:
            keys.append(_read_key(name, hidden.former, "former_secret", decrypt))
        except IpecsMwError:  # it may be gone from where it was kept; the present one counts
            log.debug("a former secret cannot be read", webhook=name)
    secret_names = list_secret_variables(webhook.template)
    read = {
        each: _read(value, f"webhooks/{name} variables.{each}", decrypt) if each in secret_names else value
        for each, value in variables.items()
    }
    url = hidden.url if is_hidden(webhook.url) and hidden.url and is_meant else webhook.url
    if is_hidden(url):
        raise _fault(name, "url", "error.field_value")
    secrets = {str(read[each]) for each in secret_names & read.keys()}
    secrets |= set(url.split("/")[3:]) if webhook.template and webhook.template.has_secret_url else set()
    for secret in secrets:
        logs.hide(secret)
    return Active(
        name,
        webhook,
        Target(url, webhook.template or str(webhook.format), read, keys, plan),
        build_selection(webhook),
        frozenset(each for each in secrets if len(each) >= _SHORTEST_HIDDEN),
    )


log = logs.get_logger()


def _read_key(name: str, secret: Any, field: str, decrypt: Decrypt) -> bytes:
    key = decode_secret(str(_read(secret, f"webhooks/{name} {field}", decrypt)))
    if key is None:
        raise _fault(name, field, "error.field_value")
    return key


def _read(value: Any, at: str, decrypt: Decrypt) -> Any:
    if isinstance(value, Mapping):
        return read_secret(convert(value, SecretSource, source=at), at, decrypt)
    if isinstance(value, str):
        logs.hide(value)
    return value


def _fault(name: str, path: str, key: str) -> InvalidDocument:
    return InvalidDocument(
        key, document=f"webhooks/{name}", path=path, value="***", allowed=Words("allowed.webhook_secret")
    )
