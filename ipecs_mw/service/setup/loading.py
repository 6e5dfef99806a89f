"""Documents of MongoDB → what the daemon runs with; and the last good ones, kept for when MongoDB is away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ipecs_mw import logs
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.configuration.settings import Settings
from ipecs_mw.model.contents import find_differences
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.texts import Texts
from ipecs_mw.outside import read_file
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.own_records import journal_errors_logged
from ipecs_mw.service.process.state_dir import keep_private
from ipecs_mw.store.configuration.definitions import build_codes, build_commands
from ipecs_mw.store.configuration.settings import build_settings, content_of, count_direct_change
from ipecs_mw.store.configuration.setup import Setup
from ipecs_mw.store.configuration.texts import Problem, build_texts
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_MOST_BYTES = 64 * 1024 * 1024  # four documents of MongoDB at their largest


@dataclass(frozen=True)
class Definitions:
    """What MongoDB says of a host's interface."""

    commands: Mapping[str, Command]
    codes: Codes


@dataclass(frozen=True)
class Loaded:
    """What MongoDB says before the first connection; `problems` are language strings that are not used."""

    settings: Settings
    revision: int
    texts: Texts
    problems: Sequence[Problem]
    definitions: Definitions


def build_loaded(setup: Setup, profile: str) -> Loaded:
    """Return what the documents say.

    Raises CannotStart (InvalidDocument with document and field) for the first that is wrong or missing.
    """
    settings, revision = build_settings(setup.config, profile, setup.profiles, setup.newest)
    texts, problems = build_texts(setup.languages, settings.locale)
    definitions = Definitions(build_commands(setup.commands), build_codes(setup.codes))
    return Loaded(settings, revision, texts, problems, definitions)


def count_change(store: Store, profile: str, setup: Setup, before: Setup | None, at: datetime) -> Setup:
    """Make a change that a MongoDB client made to a good configuration a revision; return the documents with it.

    Where that cannot be written, the documents are as good without: the next look or the next revision counts it.
    """
    try:
        former = before.config if before else None
        counted = count_direct_change(store, profile, setup.config or {}, at, former)
    except IpecsMwError as error:
        log.debug("a change was not counted", error=str(error))
        return setup
    return setup if counted is setup.config else replace(setup, config=counted)


def find_changes(former: Setup, setup: Setup) -> list[str]:
    """Return what differs between documents, for people, secrets masked."""
    before, after = (content_of(each.config or {}) for each in (former, setup))
    differences = find_differences(before, after)
    changes = [f"{path}: {logs.say(old)} -> {logs.say(new)}" for path, old, new in differences]
    tables = ("languages", "commands", "codes")
    return changes + [name for name in tables if getattr(former, name) != getattr(setup, name)]


def record_changes(intake: Intake, former: Setup, setup: Setup) -> None:
    """Record what has changed, secrets masked."""
    if changes := find_changes(former, setup):
        config = setup.config or {}
        with journal_errors_logged():
            intake.record(
                "config.changed",
                revision=config.get("revision", 0),
                by=str(config.get("updated_by", "?")),
                changes="; ".join(changes)[:2000],
            )


def keep_setup(setup: Setup, profile: str, state_dir: Path) -> None:
    """Keep documents that proved good (mode 0600); a full disk costs only the start without MongoDB."""
    file = _file(profile, state_dir)
    try:
        keep_private(file, msgspec.json.encode(setup, enc_hook=_to_plain))
    except (OSError, msgspec.MsgspecError, RecursionError, OverflowError) as error:
        log.warning("configuration.not_kept", file=str(file), reason=str(error)[:200])


def recall_setup(profile: str, state_dir: Path) -> Setup | None:
    """Return the documents that were kept last, None where there are none that can be read."""
    try:
        return Setup(**msgspec.json.decode(read_file(_file(profile, state_dir), _MOST_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _to_plain(value: Any) -> Any:
    """Return what msgspec does not know as JSON: MongoDB's long integers as such, all else as text."""
    return int(value) if isinstance(value, int) else str(value)


def _file(profile: str, state_dir: Path) -> Path:
    return state_dir / f"last-good-{profile.encode().hex()}.json"
