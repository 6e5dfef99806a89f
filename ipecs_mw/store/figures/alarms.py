"""The collection `alarms`: what was raised, whether it lasts, and what of that has been told.

A document an alarm, with an id that follows from its cause, so that whoever finds the cause again finds it there.
Of a rule's cause at a host at most one alarm lasts.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, json, to_builtins
from pymongo.errors import DuplicateKeyError

from ipecs_mw.errors import Words
from ipecs_mw.figures.answers.alarms import OF_CALLS, Alarm
from ipecs_mw.model.configuration.alarm_settings import AlarmSettings
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors

_COLLECTION = "alarms"
_PREFIX = "alarms:"
_NOT_WHAT_RAISES = ("to", "webhooks", "language")

Document = dict[str, Any]


class Raised(Struct, frozen=True):
    """An alarm that was raised: `state` is `raised` while it lasts, then `ended`. Absent is absent.

    `since` is when its cause began, `raised_at` when it was noticed. `told` names what has been told of it.
    """

    id: str
    profile: str
    rule: str
    when: str
    host: str
    cause: str
    says: Mapping[str, Any]
    since: datetime
    raised_at: datetime
    state: str
    told: Sequence[str] = ()
    ended_at: datetime | None = None
    stations: Sequence[str] = ()
    groups: Sequence[str] = ()

    @property
    def words(self) -> Words:
        """What there is to tell."""
        return _read_words(self.says)

    def list_untold(self) -> Sequence[str]:
        """Return what is still to be told: that it is `raised`, that it `ended`."""
        due = ("raised", "ended") if self.state == "ended" else ("raised",)
        return [each for each in due if each not in self.told]


class Progress(Struct, frozen=True):
    """How far alarms have been looked for: calls changed up to `seen_at` are known.

    `rules` says of each rule, by its name, how it was when last seen, and since when it is so.
    """

    seen_at: datetime
    rules: Mapping[str, Mapping[str, Any]] = {}


def name_lease(profile: str) -> str:
    """Return the lease of who looks for the alarms of a profile."""
    return _PREFIX + profile


def raise_alarm(
    store: Store, profile: str, rule: AlarmSettings, host: str, alarm: Alarm, what: str, now: datetime
) -> bool:
    """Note an alarm, unless it is known or one of its cause lasts; tell whether it was new. Raises StoreError.

    `what` is its sentence for whoever gets the document.
    """
    document = {
        "_id": _name(profile, rule, host, alarm),
        "profile": profile,
        "rule": rule.name,
        "when": rule.when,
        "host": host,
        "cause": alarm.cause,
        "says": _write_words(alarm.says),
        "what": what,
        "since": alarm.since,
        "raised_at": now,
        "changed_at": now,
        "state": "raised",
        "revision": 1,
        "told": [],
        "is_told": False,
    }
    known = {"stations": alarm.says.facts.get("station"), "groups": alarm.says.facts.get("group")}
    document |= {name: [str(value)] for name, value in known.items() if value is not None}
    if rule.webhooks:
        document["webhooks"] = list(rule.webhooks)
    if alarm.until is not None:  # over already: it is told once
        document |= {"state": "ended", "ended_at": alarm.until, "told": ["ended"]}
    with store_errors():
        try:
            store.database[_COLLECTION].insert_one(document)
        except DuplicateKeyError:
            return False
    return True


def _write_words(words: Words) -> dict[str, Any]:
    """Return words as a document; a fact may be words itself."""
    facts = {
        name: _write_words(fact) if isinstance(fact, Words) else fact for name, fact in words.facts.items()
    }
    return {"key": words.key, "facts": facts}


def _read_words(document: Mapping[str, Any]) -> Words:
    facts: dict[str, Any] = {
        name: _read_words(fact) if isinstance(fact, Mapping) else fact
        for name, fact in document["facts"].items()
    }
    return Words(document["key"], **facts)


def _name(profile: str, rule: AlarmSettings, host: str, alarm: Alarm) -> str:
    if rule.when in OF_CALLS:
        return f"{profile}:{rule.name}:{alarm.cause}"
    return f"{profile}:{rule.name}:{host}:{alarm.cause}:{alarm.since:%Y-%m-%dT%H:%M:%S.%fZ}"


def end_alarm(store: Store, alarm: Raised, ended_at: datetime, now: datetime) -> None:
    """Note that an alarm is over. Raises StoreError."""
    changes = {
        "state": "ended",
        "ended_at": max(ended_at, alarm.since),
        "changed_at": now,
        "revision": 2,
        "is_told": False,
    }
    with store_errors():
        store.database[_COLLECTION].update_one({"_id": alarm.id, "state": "raised"}, {"$set": changes})


def note_told(store: Store, alarm: Raised, telling: str) -> None:
    """Note that something was told of an alarm. Raises StoreError."""
    told = {"$setUnion": ["$told", [telling]]}
    due = {"$cond": [{"$eq": ["$state", "ended"]}, ["raised", "ended"], ["raised"]]}
    changes: list[Document] = [
        {"$set": {"told": told}},
        {"$set": {"is_told": {"$setIsSubset": [due, "$told"]}}},
    ]
    with store_errors():
        store.database[_COLLECTION].update_one({"_id": alarm.id}, changes)


def load_lasting(store: Store, profile: str | None = None) -> list[Raised]:
    """Return the alarms that last, the latest first. Raises StoreError."""
    query: Document = {"state": "raised"} | ({} if profile is None else {"profile": profile})
    return _load(store, query)


def load_untold(store: Store, profile: str) -> list[Raised]:
    """Return the alarms of which something is still to be told. Raises StoreError."""
    return _load(store, {"profile": profile, "is_told": False})


def load_alarm(store: Store, alarm_id: str) -> Raised | None:
    """Return an alarm; None where it is no more. Raises StoreError."""
    return next(iter(_load(store, {"_id": alarm_id})), None)


def _load(store: Store, query: Document) -> list[Raised]:
    with store_errors():
        found = store.database[_COLLECTION].find(query).sort([("raised_at", -1), ("_id", -1)]).limit(1000)
        return [_read(each) for each in found]


def _read(document: Mapping[str, Any]) -> Raised:
    known = {name: document[name] for name in Raised.__struct_fields__ if name in document}
    return Raised(**known, id=document["_id"])


def load_progress(store: Store, profile: str) -> Progress | None:
    """Return how far alarms of a profile have been looked for; None where nobody has. Raises StoreError."""
    with store_errors():
        found = store.database["readers"].find_one({"_id": _PREFIX + profile})
    return None if found is None else Progress(found["seen_at"], found["rules"])


def save_progress(store: Store, profile: str, progress: Progress) -> None:
    """Keep how far alarms have been looked for. Raises StoreError."""
    changes = {"$set": to_builtins(progress, builtin_types=(datetime,))}
    with store_errors():
        store.database["readers"].update_one({"_id": _PREFIX + profile}, changes, upsert=True)


def follow_rules(
    progress: Progress | None, rules: Sequence[AlarmSettings], now: datetime
) -> Mapping[str, Mapping[str, Any]]:
    """Return for each rule how it is, and since when: now, where it is new or has changed."""
    known = {} if progress is None else progress.rules
    found = {}
    for rule in rules:
        what = {name: each for name, each in to_builtins(rule).items() if name not in _NOT_WHAT_RAISES}
        mark = hashlib.sha256(json.encode(what, order="sorted")).hexdigest()[:16]
        former = known.get(rule.name) or {}
        found[rule.name] = former if former.get("is") == mark else {"is": mark, "since": now}
    return found
