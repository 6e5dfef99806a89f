"""The templates that ship, each for one kind of receiver: JSON in `seeds/webhooks`."""

from functools import cache

from ipecs_mw.messages.formats.requests import CLOUDEVENTS, STANDARD
from ipecs_mw.messages.formats.template import Template
from ipecs_mw.model.validation import convert
from ipecs_mw.seeds import SEEDS, read_json


@cache
def list_presets() -> tuple[str, ...]:
    """Return the names of the templates that ship."""
    return tuple(sorted(path.stem for path in (SEEDS / "webhooks").glob("*.json")))


@cache
def load_preset(name: str) -> Template:
    """Return a template that ships; raises KeyError where there is none of this name."""
    if name not in list_presets():
        raise KeyError(name)
    return convert(read_json(f"webhooks/{name}.json"), Template, source=f"webhooks/{name}.json")


def list_formats() -> tuple[str, ...]:
    """Return what a webhook's format may be called."""
    return (STANDARD, CLOUDEVENTS, *list_presets())


def find_template(format_: str | Template) -> Template | None:
    """Return the template of a format; None where it is no template."""
    if isinstance(format_, Template):
        return format_
    return load_preset(format_) if format_ in list_presets() else None
