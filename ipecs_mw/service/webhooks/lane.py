"""The deliveries of one webhook: sent in the order of each call, several at a time, none side by side with itself.

One thread finds what is due and notes what became of it, all at once; the requests have threads of their own.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import StoreError, WebhookNotSent
from ipecs_mw.messages.formats.requests import Told, build_request, find_step, is_wanted, read_captured
from ipecs_mw.messages.formats.template import Step
from ipecs_mw.messages.hiding import hide_numbers
from ipecs_mw.model.configuration.webhook_settings import WebhookSettings
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.service.process.threads import WatchedThread
from ipecs_mw.service.webhooks.active import Active
from ipecs_mw.service.webhooks.breaker import Breaker
from ipecs_mw.service.webhooks.schedule import find_next_try, is_delivered, is_gone, read_retry_after
from ipecs_mw.store.applications.deliveries import (
    Delivery,
    Noted,
    State,
    Tried,
    find_captured,
    find_due,
    find_next_due,
    note_all,
    try_at_once,
)
from ipecs_mw.store.applications.webhooks import disable_webhook
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.webhook import Answer, Receiver

log = logs.get_logger()

_MOST_DUE = 100
_FEW = 20
"""Where so few wait for a thread, the next are asked for."""

_LOOK_SECONDS = 10.0
_RETRY_SECONDS = 2.0
_LONGEST_ANSWER = 500
_SKIPPED_LASTS = timedelta(days=1)


class Tools(Struct, frozen=True):
    """What every lane is given. `may_send` tells whether so many seconds are still ours alone."""

    store: Store
    clock: Clock
    read: Callable[[], WebhookSettings]
    texts: Callable[[], Texts]
    may_send: Callable[[float], bool]
    make_receiver: Callable[[], Receiver]


class Lane:
    """Sends for one webhook until it is told to stop; `active` may be replaced meanwhile. Counts `outcomes`."""

    def __init__(self, tools: Tools, active: Active, outcomes: Counter[str]) -> None:
        self.active = active
        self._outcomes = outcomes
        self.news = threading.Event()
        self._tools = tools
        self._stop = False
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._chains: deque[Sequence[Delivery]] = deque()
        self._busy: dict[str, Delivery] = {}
        self._ended: list[tuple[Delivery, Noted | None]] = []
        self._workers: set[threading.Thread] = set()
        self._receivers: list[Receiver] = []
        self._thread = WatchedThread(target=self._run, name=f"webhook-{active.name}", daemon=True)
        self._thread.start()

    @property
    def is_unreachable(self) -> bool:
        """Whether the receiver counts as dead."""
        return self._breaker.is_open

    def ask_to_stop(self) -> None:
        """Begin no further request."""
        self._stop = True
        self.news.set()

    def join(self, seconds: float) -> None:
        """Wait until nothing of it is on its way, so long at the most."""
        self._thread.join(seconds)

    def is_over(self) -> bool:
        """Tell whether nothing of it is on its way any more."""
        return not self._thread.is_alive()

    # the thread that finds and notes

    def _run(self) -> None:
        while not self._stop:
            try:
                seconds = self._turn()
            except StoreError as error:
                log.debug("deliveries are put off", webhook=self.active.name, reason=logs.explain(error))
                seconds = _RETRY_SECONDS
            except Exception:  # a defect must not end what nobody else does
                log.critical("thread.failed", thread=self._thread.name, exc_info=True)
                seconds = _RETRY_SECONDS
            if not self._stop:
                self._tools.clock.wait(self.news, seconds)
                self.news.clear()
        self._finish()

    def _turn(self) -> float:
        self._note()
        clock = self._tools.clock
        if not self._tools.may_send(float(self._tools.read().timeout_seconds)):
            return 1.0
        seconds = self._breaker.seconds_left(clock.monotonic())
        if seconds > 0:
            return min(seconds, _LOOK_SECONDS)
        if len(self._chains) > _FEW or (self._breaker.is_open and self._busy):
            return _LOOK_SECONDS  # whoever takes from them says so
        limit = 1 if self._breaker.is_open else _MOST_DUE
        due = find_due(self._tools.store, self.active.name, clock.now(), limit=limit, but=list(self._busy))
        if due:
            self._hand_out(due)
            return _LOOK_SECONDS
        if self._busy:
            return _LOOK_SECONDS
        at = find_next_due(self._tools.store, self.active.name)
        left = _LOOK_SECONDS if at is None else (at - clock.now()).total_seconds()
        return min(max(left, 0.05), _LOOK_SECONDS)

    def _hand_out(self, due: Sequence[Delivery]) -> None:
        chains: dict[str, list[Delivery]] = {}
        for each in due:
            self._busy[each.id] = each
            chains.setdefault(each.call or each.id, []).append(each)
        with self._lock:
            self._chains.extend(chains.values())
            wanted = min(self._tools.read().parallel - len(self._workers), len(self._chains))
            for _ in range(wanted):
                worker = WatchedThread(target=self._work, name=f"{self._thread.name}-request", daemon=True)
                self._workers.add(worker)
                worker.start()

    def _note(self) -> None:
        """Note what has become of deliveries; until then none of them is sent again."""
        with self._lock:
            ended, self._ended = self._ended, []
        try:
            note_all(self._tools.store, [noted for _, noted in ended if noted is not None])
        except StoreError:
            with self._lock:
                self._ended = [*ended, *self._ended]
            raise
        for delivery, noted in ended:
            self._busy.pop(delivery.id, None)
            if noted is not None:
                self._count(noted)

    def _count(self, noted: Noted) -> None:
        outcome = "failed" if noted.state == "waiting" else noted.state
        self._outcomes[outcome] += 1
        if noted.state == "set_aside":
            log.warning(
                "webhook.set_aside", webhook=self.active.name, id=noted.delivery.id, reason=noted.reason
            )

    def _finish(self) -> None:
        """Wait for the requests that are on their way, and note what became of them."""
        for worker in list(self._workers):
            worker.join()
        try:
            self._note()
        except StoreError as error:
            log.debug("deliveries were not noted", webhook=self.active.name, reason=logs.explain(error))
        for receiver in self._receivers:
            receiver.close()

    # the threads that send

    def _work(self) -> None:
        receiver = self._take_receiver()
        try:
            while (chain := self._take_chain()) is not None:
                self._send_chain(chain, receiver)
                if len(self._chains) <= _FEW:
                    self.news.set()
        except Exception:  # what it had is found again when the lane begins anew
            log.critical("thread.failed", thread=threading.current_thread().name, exc_info=True)
            with self._lock:
                self._workers.discard(threading.current_thread())
        with self._lock:
            self._receivers.append(receiver)
        self.news.set()

    def _take_chain(self) -> Sequence[Delivery] | None:
        """Return what is to be sent next; where there is nothing, this thread counts no more."""
        with self._lock:
            if self._chains and not self._stop:
                return self._chains.popleft()
            self._workers.discard(threading.current_thread())
            return None

    def _take_receiver(self) -> Receiver:
        with self._lock:
            return self._receivers.pop() if self._receivers else self._tools.make_receiver()

    def _send_chain(self, chain: Sequence[Delivery], receiver: Receiver) -> None:
        """Send the deliveries of one call, one after the other, until one fails."""
        active, left = self.active, deque(chain)
        noted: Noted | None
        try:
            captured = {}
            if active.has_memory and chain[0].call:
                captured = find_captured(self._tools.store, active.name, chain[0].call, chain[0].order)
            while left and not self._stop:
                is_probe = self._breaker.is_open
                if is_probe and self._breaker.seconds_left(self._tools.clock.monotonic()) > 0:
                    break
                delivery = left.popleft()
                noted = self._try(active, delivery, captured, receiver)
                self._end(delivery, noted)
                if noted is None or noted.state == "waiting":
                    break
                captured |= dict(noted.captured)
        except StoreError as error:
            log.debug("a call is put off", webhook=active.name, reason=logs.explain(error))
        finally:
            for delivery in left:
                self._end(delivery, None)

    def _end(self, delivery: Delivery, noted: Noted | None) -> None:
        with self._lock:
            self._ended.append((delivery, noted))

    def _try(
        self, active: Active, delivery: Delivery, captured: dict[str, object], receiver: Receiver
    ) -> Noted | None:
        """Send a delivery; one at which we fail ourselves holds up no other."""
        try:
            return self._send(active, delivery, captured, receiver)
        except StoreError:
            return None
        except Exception as error:
            log.critical("thread.failed", thread=threading.current_thread().name, exc_info=True)
            now = self._tools.clock.now()
            next_at = find_next_try(delivery.tries + 1, None, now)
            tried = Tried(now, 0.0, error=type(error).__name__)
            state: State = "set_aside" if next_at is None else "waiting"
            return Noted(delivery, state, tried=tried, next_at=next_at, reason=tried.error, at=now)

    def _send(
        self, active: Active, delivery: Delivery, captured: dict[str, object], receiver: Receiver
    ) -> Noted | None:
        """Send a delivery, and return what to note; None where it was not tried."""
        clock, settings = self._tools.clock, self._tools.read()
        now = clock.now()
        # who changed the webhook since may see less than who it was made for
        selection, data = active.selection, delivery.data
        may_see = selection.still_has(delivery.name, delivery.host, data)
        data = data if selection.sees_numbers else hide_numbers(delivery.name, data, active.target.plan)
        told = Told(delivery.id, delivery.name, delivery.at, delivery.host, data, delivery.step)
        known = {name: value for name, value in captured.items() if value != ""}
        step = find_step(active.target, delivery.step)
        end = partial(Noted, delivery, at=now, delete_at=now + timedelta(days=settings.keep_days))
        is_of_use = may_see and (
            delivery.step == "" or (step is not None and is_wanted(active.target, step, told, known))
        )
        if is_of_use and step is not None and step.within_seconds is not None:
            is_of_use = now - delivery.at <= timedelta(seconds=step.within_seconds)
        if not is_of_use:
            return Noted(delivery, "skipped", at=now, delete_at=now + _SKIPPED_LASTS)
        seconds = float(settings.timeout_seconds)
        if not self._tools.may_send(seconds):
            return None
        request = build_request(active.target, told, known, int(now.timestamp()))
        began = clock.monotonic()
        answer, problem = None, ""
        try:
            answer = receiver.send(
                request.method,
                request.url,
                request.headers,
                request.body,
                seconds=seconds,
                allow_private=settings.allow_private,
            )
        except WebhookNotSent as error:
            problem = self._tools.texts().explain(error)
        tried = describe_try(active, answer, problem, now, clock.monotonic() - began)
        if answer is not None and is_taken(step, answer):
            if self._breaker.note_success():
                log.info("webhook.reachable", webhook=active.name)
                try_at_once(self._tools.store, active.name, now)
            kept = {} if step is None else read_captured(active.target, step, told, known, answer.body)
            return end("delivered", tried=tried, captured=kept)
        if answer is not None and is_gone(answer.status):
            disable_webhook(self._tools.store, active.name, "410", now)
            log.warning("webhook.gone", webhook=active.name)
            self._stop = True
            return end("set_aside", tried=tried, reason="410")
        if self._breaker.note_failure(clock.monotonic()):
            log.warning("webhook.unreachable", webhook=active.name, reason=tried.error or str(tried.status))
        retry_after = None if answer is None else read_retry_after(answer.headers, now)
        next_at = find_next_try(delivery.tries + 1, retry_after, clock.now())
        if next_at is None:
            return end("set_aside", tried=tried, reason=tried.error or str(tried.status))
        return Noted(delivery, "waiting", tried=tried, next_at=next_at)


def describe_try(active: Active, answer: Answer | None, problem: str, at: datetime, seconds: float) -> Tried:
    """Return what is noted of a try: how the answer begins, secrets masked, or the problem."""
    duration = round(seconds, 3)
    if answer is None:
        return Tried(at, duration, error=active.mask(problem)[:_LONGEST_ANSWER])
    text = active.mask(answer.body[: 4 * _LONGEST_ANSWER].decode("utf-8", "replace"))
    return Tried(at, duration, answer.status, escape(text[:_LONGEST_ANSWER]))


def is_taken(step: Step | None, answer: Answer | None) -> bool:
    """Tell whether an answer says that the receiver has the message."""
    if answer is None or not is_delivered(answer.status):
        return False
    return step is None or step.refused_by is None or step.refused_by.encode() not in answer.body
