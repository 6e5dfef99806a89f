"""Times on the command line."""

import re
from datetime import UTC, datetime, timedelta

import click

from ipecs_mw.cli.context import current
from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()
_AGO = re.compile(r"([0-9]+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Instant(click.ParamType[datetime]):
    """`2026-11-24`, `2026-11-24T10:00`, with or without a zone (else this machine's), or `15m`, `2h`, `7d` ago."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant in UTC."""
        try:
            return self.read(value)
        except (ValueError, OverflowError):
            self.fail(_TEXTS.render("cli.events.bad_time", value=value), param, ctx)

    def read(self, value: str | datetime) -> datetime:
        """Return the instant in UTC; raises ValueError, OverflowError."""
        if isinstance(value, datetime):
            return value
        if ago := _AGO.fullmatch(value.strip()):
            return current().clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(value.strip()).astimezone(UTC)


def check_span(since: datetime | None, until: datetime | None) -> None:
    """Refuse a span that ends before it begins, as wrong usage."""
    if since is not None and until is not None and since > until:
        message = _TEXTS.render("cli.span", since=since.isoformat(), until=until.isoformat())
        raise click.BadParameter(message, param_hint="--until")
