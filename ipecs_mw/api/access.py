"""Who asks: the token of a request, or of the page's session; failed sign-ins are counted and slowed down."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from starlette.requests import cookie_parser

from ipecs_mw import logs
from ipecs_mw.api.answers import Problem
from ipecs_mw.api.site import Site
from ipecs_mw.errors import StoreError
from ipecs_mw.store.applications.page_sessions import find_session
from ipecs_mw.store.applications.tokens import Token, find_ticket, find_token, note_uses
from ipecs_mw.store.server.connection import Store

log = logs.get_logger()

_KNOWN_SECONDS = 1.0
"""So long a token that was found is not looked up again: a revoked one is refused within it."""

_MOST_KNOWN = 10_000
_FREE_FAILURES = 5
"""So many sign-ins may fail before those that fail have to wait."""

_FORGIVEN_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_SCHEME = "bearer "

COOKIE = "ipecs_mw_session"
"""The cookie of the page: the id of its session."""

OWN_HEADER = "x-requested-with"
"""What a page that changes something by its cookie must send: a page of somebody else cannot, unasked."""

Find = Callable[[Store, str, datetime], Token | None]


class Access:
    """The tokens that were used lately, and the addresses from which sign-ins failed."""

    def __init__(self, site: Site) -> None:
        self.failures = 0
        self._site = site
        self._known: OrderedDict[tuple[Find, str], tuple[float, Token]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._uses: dict[str, datetime] = {}

    async def find(
        self, headers: Mapping[str, str], ticket: str | None, address: str, *, is_change: bool = False
    ) -> Token:
        """Return the token of a request: of its header, of a ticket, or of the page's cookie.

        Raises Problem: 401 where it has none that is valid, 429 where moreover too many from this address had none
        before, 403 where another page than ours uses the cookie. Who has a valid one never waits, whatever
        others at the same address do.
        """
        given = headers.get("authorization", "")
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if not given and ticket is None:
            if not session:
                raise _refuse("error.token_missing")
            return await self._find_of_page(session, headers, is_change=is_change)
        token = None
        if ticket is not None:
            token = await self._site.run(find_ticket, self._site.store, ticket, self._site.now())
        elif given.lower().startswith(_SCHEME):
            token = await self._find(given[len(_SCHEME) :].strip(), find_token)
        return self._take(token, address)

    async def sign_in(self, secret: str, address: str) -> Token:
        """Return a token by itself; raises Problem as `find`."""
        return self._take(await self._find(secret, find_token), address)

    def _take(self, token: Token | None, address: str) -> Token:
        if token is None:
            self._check_address(address)
            self._note_failure(address)
            raise _refuse("error.token_wrong")
        self._uses[token.name] = self._site.now()
        return token

    async def _find_of_page(self, session: str, headers: Mapping[str, str], *, is_change: bool) -> Token:
        """Return the token of a session: one that has ended is no failed sign-in, the page was left open."""
        if (is_change and OWN_HEADER not in headers) or not _is_own(headers, is_needed="upgrade" in headers):
            raise Problem(403, "error.foreign_page", header=OWN_HEADER)
        token = await self._find(session, find_session)
        if token is None:
            raise _refuse("error.session_over")
        self._uses[token.name] = self._site.now()
        return token

    async def _find(self, secret: str, find: Find) -> Token | None:
        now = self._site.clock.monotonic()
        known = self._known.get((find, secret))
        if known is not None and now - known[0] < _KNOWN_SECONDS and not known[1].is_over(self._site.now()):
            return known[1]
        self._known.pop((find, secret), None)
        token = await self._site.run(find, self._site.store, secret, self._site.now())
        if token is not None:
            self._known[find, secret] = now, token
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return token

    def forget(self, name: str) -> None:
        """Have a token be looked up anew."""
        for key in [key for key, (_, token) in self._known.items() if token.name == name]:
            del self._known[key]

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


def _is_own(headers: Mapping[str, str], *, is_needed: bool) -> bool:
    """Tell whether it is our own page that asks: browsers say so, some by `Origin` alone."""
    told = headers.get("sec-fetch-site")
    if told is not None:
        return told in ("same-origin", "none")  # none: somebody opened the address
    origin = headers.get("origin")
    return not is_needed if origin is None else urlsplit(origin).netloc == headers.get("host")


def _refuse(key: str) -> Problem:
    return Problem(401, key, headers={"WWW-Authenticate": 'Bearer realm="ipecs-mw"'})
