"""What every answer is made from: the database, the shared configuration, the language strings."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart, StoreError, StoreUnavailable
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.numbering.numbers import read_all
from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts
from ipecs_mw.seeds import shipped_strings, shipped_texts
from ipecs_mw.store.configuration.shared import load_shared
from ipecs_mw.store.configuration.texts import load_texts
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

T = TypeVar("T")

_AWAY_SECONDS = 2.0
_GREETING_SECONDS = 2.0


@dataclass
class Site:
    """The database that is asked, and what is known of the site; `refresh` loads it anew."""

    store: Store
    clock: Clock
    profile: str
    settings: Settings = field(default_factory=lambda: Settings(hosts=[]))
    texts: Mapping[str, Texts] = field(default_factory=dict)
    measure: Callable[[], Mapping[str, Mapping[str, float]]] = dict
    _away: tuple[float, StoreUnavailable] | None = None

    async def run(self, ask: Callable[..., T], *arguments: Any) -> T:
        """Return what `ask` does in a thread of its own.

        Once MongoDB has not answered, all who wait are told so at once, and for a moment all who come: there are
        few threads, and each would wait as long as the first.
        """
        return await asyncio.to_thread(self._run, ask, *arguments)

    def _run(self, ask: Callable[..., T], *arguments: Any) -> T:
        away = self._away
        if away is not None and self.clock.monotonic() < away[0]:
            raise away[1]
        try:
            return ask(*arguments)
        except StoreUnavailable as error:
            self._note_away(error)
            raise

    def _note_away(self, error: StoreUnavailable) -> None:
        """Take MongoDB for away, unless it answers somebody else: then the question was too much for it."""
        try:
            self.store.greet(_GREETING_SECONDS)
        except StoreError:
            self._away = self.clock.monotonic() + _AWAY_SECONDS, error

    def load(self) -> None:
        """Load settings and strings. Raises CannotStart, StoreError."""
        self.settings, _ = load_shared(self.store, self.profile)
        known = shipped_strings()
        self.texts = {locale: self._load_texts(locale) for locale in sorted({*known, self.settings.locale})}

    def _load_texts(self, locale: str) -> Texts:
        try:
            return load_texts(self.store, locale)[0]
        except CannotStart:
            return shipped_texts(locale)

    def refresh(self) -> None:
        """Load all anew; what cannot be loaded stays as it was, and is told."""
        try:
            self.load()
        except (StoreError, CannotStart) as error:
            log.warning("api.settings_kept", detail=logs.explain(error))

    def now(self) -> datetime:
        """Return the instant."""
        return self.clock.now()

    def find_texts(self, accepted: str = "") -> Texts:
        """Return the strings of the language that a header `Accept-Language` wants most, else of the site."""
        for locale in read_languages(accepted):
            for known, texts in self.texts.items():
                if known.lower() == locale or known.lower().split("-")[0] == locale.split("-")[0]:
                    return texts
        return self.texts.get(self.settings.locale) or shipped_texts(REFERENCE_LOCALE)

    def read_number(self, text: str) -> Sequence[str]:
        """Return what a number can mean, to be compared with the field `numbers`."""
        return sorted(read_all(text, self.settings.numbers))


def read_languages(accepted: str) -> Sequence[str]:
    """Return the languages of a header `Accept-Language`, in small letters, the one most wanted first."""
    wanted: list[tuple[float, str]] = []
    for part in accepted[:200].lower().split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            quality = 0.0
        if name and name != "*" and quality > 0:
            wanted.append((-quality, name))
    return [name for _, name in sorted(wanted, key=lambda each: each[0])]
