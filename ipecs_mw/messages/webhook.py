"""A webhook: who is told what, where, and in which format; checked as people write it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field, structs

from ipecs_mw.errors import Words
from ipecs_mw.messages.formats.presets import find_template, list_formats
from ipecs_mw.messages.formats.signing import decode_secret
from ipecs_mw.messages.formats.template import Template, check_template
from ipecs_mw.messages.rights import COMMANDS, EVERYTHING, NUMBERS, TOPICS, Scope, allows
from ipecs_mw.messages.selection import Selection
from ipecs_mw.model.addresses import is_address
from ipecs_mw.model.configuration.access_settings import SecretSource
from ipecs_mw.model.configuration.rules import Wrong, check_secret
from ipecs_mw.model.configuration.settings import Kind
from ipecs_mw.model.configuration.webhook_settings import WebhookName
from ipecs_mw.model.contents import MASK
from ipecs_mw.model.validation import Fault, convert, find_faults, refuse

SECRET_FIELDS: Final = ("secret", "secret_until", "former_secret")
"""Fields of what only the sender may read."""

VARIABLE_PREFIX: Final = "IPECS_MW_WEBHOOK_"
FILE_PREFIX: Final = "webhook"
"""How the names of variables and files begin in which a webhook's secrets may be kept."""

STATES: Final = ("active", "paused", "disabled")
_LONGEST_URL = 2048
_HIDDEN = "…"

Topic = Literal[tuple(TOPICS)]  # type: ignore[valid-type]
Filter = list[Annotated[str, Meta(min_length=1, max_length=128)]]
Value = str | int | bool


def show_url(url: str) -> str:
    """Return a URL for people: what may let its holder in, its path and query, is not shown."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return _HIDDEN
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    return f"{parts.scheme}://{host}" + ("" if is_bare else f"/{_HIDDEN}")


def is_hidden(url: str) -> bool:
    """Tell whether a URL is one that `show_url` cut."""
    return url.endswith(f"/{_HIDDEN}")


def find_url_fault(url: str) -> Words | None:
    """Return what is allowed where a URL is not; None where it is."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and is_address(parts.hostname or "") and parts.port != 0
    except ValueError:
        is_url = False
    is_plain = url.removesuffix(_HIDDEN).isascii() and url.isprintable() and not {" ", "\\"} & {*url}
    if not is_url or not is_plain or len(url) > _LONGEST_URL:
        return Words("allowed.webhook_url")
    return Words("allowed.webhook_url_bare") if "@" in parts.netloc or parts.fragment else None


def _check_url(url: str) -> Wrong:
    if (allowed := find_url_fault(url)) is not None:
        yield "", show_url(url), allowed


def _check_format(form: Any) -> Wrong:
    if isinstance(form, Template):
        yield from check_template(form)
    elif form not in list_formats():
        yield "", form, Words("allowed.webhook_format", formats=", ".join(list_formats()))


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What who made a webhook may see: it gets no more. `commands` are rights to commands."""

    hosts: Filter = field(default_factory=list)
    stations: Filter = field(default_factory=list)
    groups: Filter = field(default_factory=list)
    commands: Filter = field(default_factory=list)
    sees_numbers: bool = True


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """A document of `webhooks` without its `_id`, the name; `secret` and `variables` are checked apart.

    `token` is the name of the one by whose leave it is: without it nothing is sent.
    """

    url: Annotated[str, Meta(extra={"rule": _check_url})]
    topics: Annotated[list[Topic], Meta(min_length=1)]  # type: ignore[valid-type]
    hosts: Filter = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    types: Filter = field(default_factory=list)
    stations: Filter = field(default_factory=list)
    groups: Filter = field(default_factory=list)
    format: Annotated[str | Template, Meta(extra={"rule": _check_format})] = "standard"
    state: Literal[STATES] = "active"  # type: ignore[valid-type]
    limits: Limits | None = None
    token: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    revision: int = 1
    reason: str | None = None

    @property
    def template(self) -> Template | None:
        """The template of its format; None where that is none."""
        return find_template(self.format)


def parse_webhook(document: Mapping[str, Any]) -> Webhook:
    """Return the webhook that a document of `webhooks` is.

    Raises InvalidDocument with `document`, `path`, `value` and `allowed`: the first fault, and with it all others.
    Values of secrets are in none of them.
    """
    name = str(document.get("_id"))
    source = f"webhooks/{name[:64]}"
    apart = ("_id", "variables", *SECRET_FIELDS)
    content = {field_: value for field_, value in document.items() if field_ not in apart}
    faults = [*find_faults(document.get("_id"), WebhookName, "_id"), *find_faults(content, Webhook)]
    faults += _find_secret_faults(document.get("secret"))
    refuse(source, faults)
    webhook = convert(content, Webhook, source=source)
    refuse(source, _find_variable_faults(document.get("variables"), webhook.template))
    return webhook


def read_limits(document: Mapping[str, Any]) -> Limits | None:
    """Return the limits of a webhook's document; None where it has none, or wrong ones: it is not sent then."""
    limits = document.get("limits")
    is_sound = limits is not None and not any(find_faults(limits, Limits))
    return convert(limits, Limits, source="limits") if is_sound else None


def find_scope(limits: Limits | None) -> Scope:
    """Return the part of the site that a webhook may be told of."""
    if limits is None or not (limits.hosts or limits.stations or limits.groups):
        return EVERYTHING
    return Scope(frozenset(limits.hosts), frozenset(limits.stations), frozenset(limits.groups))


def limit(limits: Limits | None, rights: Collection[str], scope: Scope) -> Limits:
    """Return the limits of a webhook that somebody makes (None) or changes: no wider than before, nor than theirs.

    `scope` is theirs, which must cover that of the webhook.
    """
    theirs = sorted(right for right in rights if right.startswith(COMMANDS))
    sees_numbers = NUMBERS in rights
    if limits is None:
        parts = (sorted(scope.hosts), sorted(scope.stations), sorted(scope.groups))
        return Limits(*parts, commands=theirs, sees_numbers=sees_numbers)
    both = {right for right in limits.commands if allows(theirs, right)}
    both |= {right for right in theirs if allows(limits.commands, right)}
    return structs.replace(limits, commands=sorted(both), sees_numbers=limits.sees_numbers and sees_numbers)


def build_selection(webhook: Webhook) -> Selection:
    """Return which messages a webhook gets."""
    limits = webhook.limits
    scope = find_scope(limits)
    return Selection(
        topics=frozenset(webhook.topics),
        hosts=frozenset(webhook.hosts),
        kinds=frozenset(webhook.kinds),
        types=frozenset(webhook.types),
        stations=frozenset(webhook.stations),
        groups=frozenset(webhook.groups),
        scope=scope,
        commands=frozenset(("commands.*",) if limits is None else limits.commands),
        sees_numbers=limits is None or limits.sees_numbers,
    )


def find_format_template(form: Any) -> Template | None:
    """Return the template that a format as people write it is; None where it is none, or a wrong one."""
    if isinstance(form, str):
        return find_template(form)
    return None if any(find_faults(form, Template)) else convert(form, Template, source="format")


def list_secret_variables(template: Template | None) -> frozenset[str]:
    """Return the variables of a template whose values nobody may read."""
    variables = {} if template is None else template.variables
    return frozenset(name for name, each in variables.items() if each.is_secret)


def _find_secret_faults(secret: Any, path: str = "secret") -> Iterator[Fault]:
    """Yield the faults of a secret: text in the form of Standard Webhooks, or where it is kept."""
    if secret is None:
        return
    if isinstance(secret, str):
        if decode_secret(secret) is None:
            yield Fault("error.field_value", path, MASK, Words("allowed.webhook_secret"))
    else:
        yield from _find_source_faults(secret, path)


def _find_source_faults(secret: Any, path: str) -> Iterator[Fault]:
    found = list(find_faults(secret, SecretSource, path))
    if not found:
        source = convert(secret, SecretSource, source=path)
        found = [Fault("error.field_value", path + below, *told) for below, *told in _check_source(source)]
    yield from (fault._replace(value=MASK) for fault in found)


def _check_source(source: SecretSource) -> Wrong:
    """Refuse what is no secret of webhooks: who may make one is not to have another secret sent anywhere."""
    yield from check_secret(source)
    if source.env is not None and not source.env.startswith(VARIABLE_PREFIX):
        yield ".env", MASK, Words("allowed.webhook_env", prefix=VARIABLE_PREFIX)
    if source.file is not None and not source.file.rpartition("/")[2].startswith(FILE_PREFIX):
        yield ".file", MASK, Words("allowed.webhook_file", prefix=FILE_PREFIX)


def _find_variable_faults(variables: Any, template: Template | None) -> Iterator[Fault]:
    known = {} if template is None else template.variables
    names = ", ".join(known) or "-"
    if not isinstance(variables, Mapping | None):
        yield Fault("error.field_value", "variables", MASK, Words("allowed.object"))
        return
    given = variables or {}
    for name, value in given.items():
        path = f"variables.{name}"
        if name not in known:
            yield Fault("error.field_unknown", path, MASK, names)
        elif known[name].is_table:
            if not isinstance(value, Mapping) or not all(isinstance(each, Value) for each in value.values()):
                yield Fault("error.field_value", path, value, Words("allowed.webhook_table"))
        elif known[name].is_secret and isinstance(value, Mapping):
            yield from _find_source_faults(value, path)
        elif not isinstance(value, Value):
            yield Fault("error.field_value", path, MASK, Words("allowed.webhook_value"))


def find_missing_variables(webhook: Webhook, names: frozenset[str]) -> list[str]:
    """Return the variables that the format needs and that are not among those that are set."""
    template = webhook.template
    required = {} if template is None else template.variables
    return [name for name, each in required.items() if each.is_required and name not in names]
