"""What keeps the middleware from its work, before or while it runs: findings about MongoDB and what is in it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from msgspec import Struct

from ipecs_mw.clock import Clock
from ipecs_mw.errors import IpecsMwError, NoSuchProfile
from ipecs_mw.model.configuration.access_settings import SecretSource
from ipecs_mw.model.configuration.settings import HostSettings, Settings
from ipecs_mw.model.texts import REFERENCE_LOCALE
from ipecs_mw.service.session.credentials import Decrypt, find_odd_sign, is_encrypted, read_secret
from ipecs_mw.store.configuration.definitions import load_codes, load_commands
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.configuration.texts import load_texts
from ipecs_mw.store.schema.comparison import describe_differences
from ipecs_mw.store.schema.examination import examine_server, try_write
from ipecs_mw.store.schema.migrations import load_status
from ipecs_mw.store.schema.retention import describe_longer, find_differences, find_longer, read_retention
from ipecs_mw.store.schema.roles import examine_rights
from ipecs_mw.store.server.connection import Store

CLOCK_SECONDS = 2.0
"""How far two clocks may be apart before it is a warning."""

_OLDEST_VERSION = (5, 0)
_MOST_NAMES = 10

Level = Literal["ok", "warning", "error"]
_SCHEMA: Mapping[str, tuple[str, Level]] = {
    "done": ("schema", "ok"),
    "pending": ("schema_pending", "warning"),
    "half-done": ("schema_half_done", "warning"),
    "unknown": ("schema_newer", "error"),
    "changed": ("schema_changed", "error"),
}
Explain = Callable[[IpecsMwError], str]


class Finding(Struct, frozen=True):
    """One thing that was looked at: `name` is stable, `facts` fill the sentences `check.NAME` and `advice.NAME`.

    `where` is the part of the whole: `mongodb`, `configuration`, … or the name of a host.
    """

    where: str
    name: str
    level: Level
    facts: Mapping[str, Any] = {}


class Notes:
    """Collects findings about one part; a step of it that fails is a finding too, and ends the step."""

    def __init__(self, where: str, explain: Explain) -> None:
        self.where = where
        self.findings: list[Finding] = []
        self._explain = explain

    def add(self, name: str, level: Level = "ok", /, **facts: Any) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.where, name, level, facts))

    @contextmanager
    def step(self, name: str, level: Level = "error") -> Iterator[None]:
        """Look at one thing; an error of ours in the block becomes the finding `name`, with its sentence.

        A profile that is not there is no finding: NoSuchProfile comes through.
        """
        try:
            yield
        except NoSuchProfile:
            raise
        except IpecsMwError as error:
            self.add(name, level, detail=self._explain(error))


def examine_mongodb(store: Store, explain: Explain, clock: Clock) -> list[Finding]:
    """Look at the server, our rights there, its clock and its schema."""
    notes = Notes("mongodb", explain)
    with notes.step("server_failed"):
        server = examine_server(store, clock)
        is_old = _version(server.version) < _OLDEST_VERSION
        notes.add("version_old" if is_old else "version", "error" if is_old else "ok", version=server.version)
        is_alone = server.topology == "standalone"
        notes.add(server.topology, "warning" if is_alone else "ok", members=server.members)
        ahead = round(server.clock_ahead_seconds, 1) + 0.0  # never -0.0
        is_off = abs(ahead) > CLOCK_SECONDS
        notes.add(
            "server_clock_off" if is_off else "server_clock", "warning" if is_off else "ok", seconds=ahead
        )
    with notes.step("write_failed"):
        try_write(store)
        notes.add("write")
    with notes.step("rights_unknown", "warning"):
        _examine_rights(store, notes)
    with notes.step("schema_failed"):
        states = {row.state for row in load_status(store)}
        for state in sorted(states):
            name, level = _SCHEMA[state]
            if state != "done" or len(states) == 1:
                notes.add(name, level)
        if states <= {"done"} and (differences := find_differences(store)):
            notes.add("schema_differs", "warning", parts=describe_differences(differences))
    return notes.findings


def examine_contents(store: Store, profile: str, explain: Explain) -> tuple[list[Finding], Settings | None]:
    """Look at configuration, language strings and definitions; return the settings where they are right.

    Raises NoSuchProfile.
    """
    notes = Notes("configuration", explain)
    settings = None
    with notes.step("configuration_wrong"):
        settings, revision = load_settings(store, profile)
        notes.add("configuration", profile=profile, revision=revision, hosts=len(settings.hosts))
        if not settings.hosts:
            notes.add("no_hosts", "warning")
        if longer := find_longer(store, profile, read_retention(settings)):
            notes.add("retention_longer", "warning", **describe_longer(longer))
    with notes.step("languages_wrong"):
        _examine_languages(store, settings.locale if settings else REFERENCE_LOCALE, notes)
    with notes.step("definitions_wrong"):
        notes.add("definitions", commands=len(load_commands(store)), tables=len(load_codes(store).tables))
    return notes.findings, settings


def examine_secrets(
    host: HostSettings, at: str, decrypt: Decrypt, notes: Notes, missing: Level
) -> str | None:
    """Look at the secrets of the host that stands at `at` in the configuration; return its password, if any."""
    passwords = {f"{at}.password": host.password}
    passwords |= {f"{at}.accounts[{n}].password": account.password for n, account in enumerate(host.accounts)}
    found = {
        path: examine_secret(source, path, decrypt, notes, missing) for path, source in passwords.items()
    }
    return found[f"{at}.password"]


def examine_secret(
    source: str | SecretSource, at: str, decrypt: Decrypt, notes: Notes, missing: Level
) -> str | None:
    """Look at the secret that stands at `at` in the configuration; return it where it can be read."""
    with notes.step("secret_locked" if is_encrypted(source) else "secret_missing", missing):
        secret = read_secret(source, at, decrypt)
        is_plain = not isinstance(source, SecretSource)
        notes.add("secret_plain" if is_plain else "secret", "warning" if is_plain else "ok", path=at)
        if odd := find_odd_sign(secret):
            notes.add("secret_odd", "warning", path=at, sign=odd)
        return secret
    return None


def _examine_rights(store: Store, notes: Notes) -> None:
    rights = examine_rights(store)
    if rights.user is None:
        notes.add("no_password", "warning")
    elif rights.lacking:
        notes.add("rights_lacking", "error", user=rights.user, rights=", ".join(rights.lacking))
    elif rights.elsewhere and store.embedded is None:
        notes.add("rights_broad", "warning", user=rights.user, databases=", ".join(rights.elsewhere))
    else:
        notes.add("rights", user=rights.user)


def _examine_languages(store: Store, locale: str, notes: Notes) -> None:
    texts, problems = load_texts(store, locale)
    if problems:
        named = ", ".join(f"{locale}:{key}" for locale, key, _ in problems[:_MOST_NAMES])
        notes.add("texts_refused", "warning", count=len(problems), texts=named)
    if missing := texts.find_untranslated():
        named = ", ".join(missing[:_MOST_NAMES])
        notes.add("texts_missing", "warning", locale=locale, count=len(missing), texts=named)
    else:
        notes.add("texts", locale=locale)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
