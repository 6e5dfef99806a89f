"""Sends what webhooks are to be told, while it holds the right to: one daemon of all of a database; its thread."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ipecs_mw import logs
from ipecs_mw.errors import StoreError, StoreRefused
from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.model.configuration.webhook_settings import WebhookSettings
from ipecs_mw.service.process.rounds import take_turns
from ipecs_mw.service.process.sole_right import SoleRight
from ipecs_mw.service.reports.context import Context
from ipecs_mw.service.webhooks.lanes import Lanes
from ipecs_mw.transport.tls import build_context_of
from ipecs_mw.transport.webhook import Receiver

log = logs.get_logger()

LEASE = "webhooks"
LEASE_SECONDS = 15.0
"""Whoever is gone is replaced within it; a request ends before it does."""

_RENEW_SECONDS = 2.0
_LOOK_SECONDS = 1.0


class Sender:
    """Keeps the right, and a `Lanes` while it is ours; `run` is its thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._right = SoleRight(
            context.store,
            LEASE,
            context.owner,
            context.clock,
            seconds=LEASE_SECONDS,
            renew_seconds=_RENEW_SECONDS,
        )
        self._lanes: Lanes | None = None

    def run(self) -> None:
        """Look each second until stopped, whatever becomes of MongoDB."""
        take_turns(self._take_turn, self._context.clock, self._context.stop, self._tell_stopped)
        if self._end_lanes():
            self._right.let_go()

    def describe(self) -> Mapping[str, Any]:
        """Return whether this daemon sends, and how each webhook is."""
        lanes = self._lanes
        return {"is_sender": lanes is not None, "webhooks": [] if lanes is None else lanes.describe()}

    def _take_turn(self) -> float:
        if not self._right.hold():
            self._end_lanes()
            return _LOOK_SECONDS
        if self._lanes is None:
            self._lanes = Lanes(self._context, self._may_send, self._make_receiver)
        self._lanes.turn()
        return _LOOK_SECONDS

    def _may_send(self, seconds: float) -> bool:
        return self._right.seconds_left > seconds

    def _end_lanes(self) -> bool:
        """Stop sending; tell whether nothing is on its way any more."""
        lanes, self._lanes = self._lanes, None
        return lanes is None or lanes.end()

    def _make_receiver(self) -> Receiver:
        settings: WebhookSettings = self._context.read().settings.webhooks
        tls = TlsSettings(ca_file=settings.ca_file)
        return Receiver(partial(build_context_of, tls), self._context.clock)

    def _tell_stopped(self, error: StoreError) -> None:
        level = log.error if isinstance(error, StoreRefused) else log.warning
        level("webhooks.stopped", detail=logs.explain(error))
