"""Who asks: the token of a request, found by its hash; failed sign-ins are counted and slowed down."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime

from ipecs_mw import logs
from ipecs_mw.api.answers import Problem
from ipecs_mw.api.site import Site
from ipecs_mw.errors import StoreError
from ipecs_mw.store.applications.tokens import Token, find_ticket, find_token, note_uses

log = logs.get_logger()

_KNOWN_SECONDS = 1.0
"""So long a token that was found is not looked up again: a revoked one is refused within it."""

_MOST_KNOWN = 10_000
_FREE_FAILURES = 5
"""So many sign-ins may fail before those that fail have to wait."""

_FORGIVEN_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_SCHEME = "bearer "


class Access:
    """The tokens that were used lately, and the addresses from which sign-ins failed."""

    def __init__(self, site: Site) -> None:
        self.failures = 0
        self._site = site
        self._known: OrderedDict[str, tuple[float, Token]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._uses: dict[str, datetime] = {}

    async def find(self, headers: Mapping[str, str], ticket: str | None, address: str) -> Token:
        """Return the token of a request, of its header or of a ticket.

        Raises Problem: 401 where it has none that is valid, 429 where moreover too many from this address had none
        before. Who has a valid one never waits, whatever others at the same address do.
        """
        given = headers.get("authorization", "")
        if not given and ticket is None:
            raise _refuse("error.token_missing")
        token = None
        if ticket is not None:
            token = await self._site.run(find_ticket, self._site.store, ticket, self._site.now())
        elif given.lower().startswith(_SCHEME):
            token = await self._find(given[len(_SCHEME) :].strip())
        if token is None:
            self._check_address(address)
            self._note_failure(address)
            raise _refuse("error.token_wrong")
        self._uses[token.name] = self._site.now()
        return token

    async def _find(self, secret: str) -> Token | None:
        now = self._site.clock.monotonic()
        known = self._known.get(secret)
        if known is not None and now - known[0] < _KNOWN_SECONDS and not known[1].is_over(self._site.now()):
            return known[1]
        self._known.pop(secret, None)
        token = await self._site.run(find_token, self._site.store, secret, self._site.now())
        if token is not None:
            self._known[secret] = now, token
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return token

    def forget(self, name: str) -> None:
        """Have a token be looked up anew."""
        for secret in [secret for secret, (_, token) in self._known.items() if token.name == name]:
            del self._known[secret]

    def _check_address(self, address: str) -> None:
        """Refuse to look at another wrong sign-in of an address so soon: each failure doubles the wait."""
        count, at = self._failed.get(address, (0, 0.0))
        waited = self._site.clock.monotonic() - at
        wait = 0.0 if count < _FREE_FAILURES else min(2.0 ** (count - _FREE_FAILURES), _FORGIVEN_SECONDS)
        if waited < wait:
            seconds = str(int(wait - waited) + 1)
            raise Problem(429, "error.sign_in_slowed", headers={"Retry-After": seconds}, seconds=seconds)
        if count and waited >= _FORGIVEN_SECONDS:
            del self._failed[address]

    def _note_failure(self, address: str) -> None:
        count, _ = self._failed.pop(address, (0, 0.0))
        self.failures += 1
        self._failed[address] = count + 1, self._site.clock.monotonic()
        if len(self._failed) > _MOST_ADDRESSES:
            self._failed.popitem(last=False)
        log.warning("api.sign_in_failed", address=address, failures=count + 1)

    async def note_uses(self) -> None:
        """Note in MongoDB when tokens were used last."""
        uses, self._uses = self._uses, {}
        try:
            await asyncio.to_thread(note_uses, self._site.store, uses)
        except StoreError as error:
            log.debug("api.uses_not_noted", detail=logs.explain(error))


def _refuse(key: str) -> Problem:
    return Problem(401, key, headers={"WWW-Authenticate": 'Bearer realm="ipecs-mw"'})
