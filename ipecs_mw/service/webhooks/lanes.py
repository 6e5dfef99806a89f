"""The time in which this daemon sends for all webhooks: their lanes, what feeds them, what people ask for."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ipecs_mw import logs
from ipecs_mw.errors import IpecsMwError, StoreError
from ipecs_mw.messages.formats.requests import list_steps
from ipecs_mw.service.process.threads import start_thread
from ipecs_mw.service.reports.context import Context
from ipecs_mw.service.webhooks.active import Active, make_active
from ipecs_mw.service.webhooks.feeder import Audience, Feeder
from ipecs_mw.service.webhooks.lane import Lane, Tools
from ipecs_mw.service.webhooks.making import Follower, list_collections, spell_order
from ipecs_mw.service.webhooks.schedule import GIVE_UP
from ipecs_mw.service.webhooks.tasks import carry_out
from ipecs_mw.store.applications.deliveries import (
    Delivery,
    count_waiting,
    find_oldest_waiting,
    forget_deliveries,
    keep_deliveries,
    name_delivery,
    set_old_aside,
)
from ipecs_mw.store.applications.feed import find_place_now
from ipecs_mw.store.applications.tokens import load_valid
from ipecs_mw.store.applications.webhook_positions import forget_places, load_places, save_places
from ipecs_mw.store.applications.webhook_secrets import (
    Hidden,
    forget_secrets,
    hide_secrets,
    load_all_hidden,
    set_secret,
)
from ipecs_mw.store.applications.webhook_tasks import take_task
from ipecs_mw.store.applications.webhooks import (
    adopt_named,
    disable_webhook,
    is_orphan,
    list_tokens_of,
    load_all,
    make_secret,
)
from ipecs_mw.transport.webhook import Receiver

log = logs.get_logger()

_CARE_SECONDS = 5.0
_END_SECONDS = 11.0
_SAFE_SECONDS = 1.0


class Lanes:
    """All webhooks of a database, from its making until `end`; used by one thread."""

    def __init__(
        self, context: Context, may_send: Callable[[float], bool], make_receiver: Callable[[], Receiver]
    ) -> None:
        self._context = context
        self._store, self._clock = context.store.read_anything(), context.clock
        self._may_send = may_send
        self._tools = Tools(
            self._store,
            context.clock,
            lambda: context.read().settings.webhooks,
            lambda: context.read().texts,
            may_send,
            make_receiver,
        )
        self._active: dict[str, Active] = {}
        self._read: dict[str, tuple[Any, ...]] = {}
        self._problems: dict[str, str] = {}
        self._lanes: dict[str, Lane] = {}
        self._former: list[Lane] = []
        self._outcomes: dict[str, Counter[str]] = {}
        self._held: frozenset[str] = frozenset()
        self._care_at = 0.0
        self._waiting: dict[str, tuple[int, datetime | None]] = {}
        self._place = find_place_now(self._store, self._clock)
        self._places = load_places(self._store)
        self._feeder = Feeder(
            self._store, self._clock, self._tell_news, self._tell_lost, lambda: may_send(_SAFE_SECONDS)
        )

    def turn(self) -> None:
        """Take up what has changed, and what people asked for. Raises StoreError."""
        place = find_place_now(self._store, self._clock)
        self._load()
        self._follow()
        self._place = place
        self._set_lanes()
        self._carry_out_tasks()
        if self._clock.monotonic() >= self._care_at:
            self._care()
            self._care_at = self._clock.monotonic() + _CARE_SECONDS

    def end(self) -> bool:
        """Stop; tell whether nothing is on its way any more."""
        for lane in self._lanes.values():
            lane.ask_to_stop()
        self._feeder.stop()
        give_up_at = self._clock.monotonic() + _END_SECONDS
        lanes = [*self._lanes.values(), *self._former]
        for lane in lanes:
            lane.join(max(give_up_at - self._clock.monotonic(), 0.0))
        return all(lane.is_over() for lane in lanes)

    def describe(self) -> list[dict[str, Any]]:
        """Return how each webhook is."""
        described = []
        for name, active in self._active.copy().items():
            lane = self._lanes.get(name)
            waiting, oldest_at = self._waiting.get(name, (0, None))
            facts = {
                "name": name,
                "state": active.webhook.state,
                "waiting": waiting,
                "oldest_at": oldest_at,
                "is_unreachable": (lane is not None and lane.is_unreachable) or None,
                "is_held": (name in self._held) or None,
                "outcomes": dict(self._outcomes.get(name, ())),
            }
            described.append({field: value for field, value in facts.items() if value is not None})
        problems = self._problems.copy().items()
        return described + [{"name": name, "state": "refused", "problem": said} for name, said in problems]

    # what there is

    def _load(self) -> None:
        settings, now = self._context.read().settings, self._clock.now()
        adopt_named(self._store)
        documents = {str(each["_id"]): each for each in load_all(self._store)}
        if any(hide_secrets(self._store, each) for each in documents.values()):
            documents = {str(each["_id"]): each for each in load_all(self._store)}
        self._disable_orphans(documents, now)
        hidden = load_all_hidden(self._store)
        problems: dict[str, str] = {}
        for name, document in documents.items():
            kept = hidden.get(name, Hidden())
            if kept.secret is None and "secret" not in document:
                set_secret(self._store, name, make_secret())
                continue
            is_former = kept.former_until is not None and now < kept.former_until
            is_elsewhere = any(isinstance(each, Mapping) for each in (kept.secret, *kept.variables.values()))
            minute = (
                now.replace(second=0, microsecond=0) if is_elsewhere else None
            )  # a file may say another one
            read = (document, kept, settings.numbers, is_former, minute)
            if name in self._active and self._read.get(name) == read:
                continue
            try:
                self._active[name] = make_active(document, kept, settings.numbers, self._context.decrypt, now)
                self._read[name] = read
            except StoreError:
                raise
            except IpecsMwError as error:
                self._active.pop(name, None)
                problems[name] = " ".join(self._context.read().texts.explain_each(error))
        for name in self._active.keys() - documents.keys():
            del self._active[name]
        for name, said in problems.items():
            if self._problems.get(name) != said:
                log.warning("webhook.refused", webhook=name, reason=said)
        self._problems = problems

    def _disable_orphans(self, documents: dict[str, dict[str, Any]], now: datetime) -> None:
        """Disable the webhooks whose token allows them no more."""
        sending = [each for each in documents.values() if each.get("state", "active") == "active"]
        tokens = list_tokens_of(sending)
        valid = load_valid(self._store, tokens, now) if tokens else {}
        for each in sending:
            if is_orphan(each, valid):
                name = str(each["_id"])
                reason = self._tools.texts().render("webhook.token_over", token=each["token"])
                disable_webhook(self._store, name, reason, now)
                documents[name] = {**each, "state": "disabled"}
                log.warning("webhook.stopped", webhook=name, reason=reason)

    def _follow(self) -> None:
        """Have every webhook that sends be fed, a new one from the last look on."""
        self._places |= self._feeder.find_places()
        audiences: dict[str, dict[str, Follower]] = {}
        fresh: dict[tuple[str, str], str] = {}
        for name, active in self._active.items():
            if not active.is_sending or name in self._held:
                continue
            for collection in list_collections(active):
                place = self._places.get((name, collection))
                if place is None:
                    place = self._places[name, collection] = fresh[name, collection] = self._place
                audiences.setdefault(collection, {})[name] = Follower(active, place)
        save_places(self._store, fresh, self._clock.now())
        told: Mapping[str, Audience] = audiences
        self._feeder.follow(told)

    def _set_lanes(self) -> None:
        for name, lane in list(self._lanes.items()):
            active = self._active.get(name)
            if active is None or not active.is_sending or lane.is_over():
                lane.ask_to_stop()
                self._former.append(self._lanes.pop(name))
            else:
                lane.active = active
        self._former = [lane for lane in self._former if not lane.is_over()]
        ending = {lane.active.name for lane in self._former}
        for name, active in self._active.items():
            if active.is_sending and name not in self._lanes and name not in ending:
                self._lanes[name] = Lane(self._tools, active, self._outcomes.setdefault(name, Counter()))

    def _care(self) -> None:
        """Count what waits, set aside what is too old, forget what is of webhooks that are no more."""
        settings, now = self._tools.read(), self._clock.now()
        known = {*self._active, *self._problems}
        held = set()
        for name in self._active:
            waiting = count_waiting(self._store, name, settings.most_waiting)
            self._waiting[name] = (waiting, find_oldest_waiting(self._store, name) if waiting else None)
            limit = settings.most_waiting if name not in self._held else settings.most_waiting * 3 // 4
            if waiting >= limit:
                held.add(name)
            self._set_old_aside(name, now, settings.keep_days)
        for name in held - self._held:
            log.warning("webhook.held", webhook=name, most=settings.most_waiting)
        self._held = frozenset(held)
        gone = {name for name, _ in self._places} | set(load_all_hidden(self._store))
        if gone := gone - known:
            forget_places(self._store, known)
            forget_deliveries(self._store, known)
            for name in gone:
                forget_secrets(self._store, name)
            self._places = {key: place for key, place in self._places.items() if key[0] in known}

    def _set_old_aside(self, name: str, now: datetime, keep_days: int) -> None:
        delete_at = now + timedelta(days=keep_days)
        said = self._tools.texts().render("webhook.too_old")
        if set_old_aside(self._store, name, now - GIVE_UP, said, now, delete_at):
            log.warning("webhook.set_aside", webhook=name, id="-", reason=said)

    # what is told and asked

    def _tell_news(self, names: set[str]) -> None:
        for name in names:
            if (lane := self._lanes.get(name)) is not None:
                lane.news.set()

    def _tell_lost(self, name: str, collection: str, place: str) -> None:
        """Say that a webhook misses something, also to its receiver."""
        log.warning("webhook.position_lost", webhook=name, collection=collection)
        now, active = self._clock.now(), self._active.get(name)
        data = {"collection": collection, "reset_at": now}
        is_untold = active is None or not list(list_steps(active.target, "reset", data))
        here = find_place_now(self._store, self._clock)
        keep_deliveries(
            self._store,
            [
                Delivery(
                    name_delivery(name, place, collection, "reset", ""),
                    name,
                    f"{spell_order(here)}:reset",
                    "reset",
                    "",
                    now,
                    data,
                    next_at=now,
                    state="skipped" if is_untold else "waiting",
                    reason=self._tools.texts().render("webhook.reset"),
                )
            ],
        )

    def _carry_out_tasks(self) -> None:
        while (task := take_task(self._store, self._clock.now())) is not None:
            name = task["webhook"]
            active, problem = self._active.get(name), self._problems.get(name, "")
            if task["what"] == "test":  # which may last as long as a request
                start_thread(
                    f"test-{name}", partial(carry_out, self._store, self._tools, task, active, problem)
                )
            else:
                carry_out(self._store, self._tools, task, active, problem)
                self._tell_news({name})
