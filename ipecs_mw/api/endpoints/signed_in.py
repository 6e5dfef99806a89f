"""Signing in for the page: a token is exchanged for a cookie that no script can read; who one is; signing out."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ipecs_mw import __version__
from ipecs_mw.api.access import COOKIE
from ipecs_mw.api.rows import ANY_TOKEN, BASE, BY_BODY, Answer, Asked, Endpoint
from ipecs_mw.store.applications.page_sessions import close_session, open_session

SESSION = f"{BASE}/session"


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """The token that somebody signs in with."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class PlaceInfo(Struct, frozen=True):
    """A phone system."""

    name: str
    timezone: str


class SessionInfo(Struct, frozen=True):
    """Who is signed in, what it may do, the names that the site has for things, and what it wants to reach.

    `goal_percent` is that of the service level, of the groups that have none of their own in `goals_percent`.
    """

    token: str
    rights: list[str]
    hosts: list[PlaceInfo]
    groups: dict[str, str]
    reasons: dict[str, str]
    goal_percent: int
    goals_percent: dict[str, int]
    as_of: datetime
    version: str
    scope: dict[str, list[str]] = field(default_factory=dict)
    expires_at: datetime | None = None


def _sign_in(asked: Asked) -> Answer:
    session, expires_at = open_session(asked.site.store, asked.body.token.strip(), asked.token, asked.now)
    cookie = _write_cookie(asked, session, int((expires_at - asked.now).total_seconds()))
    return Answer(_describe(asked), 201, {"Set-Cookie": cookie})


def _sign_out(asked: Asked) -> Answer:
    if asked.token.session:
        close_session(asked.site.store, asked.token.session)
    return Answer(None, 204, {"Set-Cookie": _write_cookie(asked, "", 0)})


def _write_cookie(asked: Asked, session: str, seconds: int) -> str:
    is_secret_on_the_way = asked.url.startswith("https:")
    parts = [f"{COOKIE}={session}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, *(["Secure"] if is_secret_on_the_way else [])])


def _show(asked: Asked) -> Answer:
    return Answer(_describe(asked))


def _describe(asked: Asked) -> SessionInfo:
    token, settings = asked.token, asked.site.settings
    parts: dict[str, Any] = {
        "hosts": token.scope.hosts,
        "stations": token.scope.stations,
        "groups": token.scope.groups,
    }
    return SessionInfo(
        token=token.name,
        rights=sorted(token.rights),
        hosts=[
            PlaceInfo(host.name, host.timezone)
            for host in settings.hosts
            if not token.scope.hosts or host.name in token.scope.hosts
        ],
        groups={number: group.name for number, group in settings.figures.groups.items() if group.name},
        reasons=dict(settings.figures.reasons),
        goal_percent=settings.figures.default.service_level.goal_percent,
        goals_percent={
            number: group.service_level.goal_percent
            for number, group in settings.figures.groups.items()
            if group.service_level is not None
        },
        as_of=asked.now,
        version=__version__,
        scope={name: sorted(values) for name, values in parts.items() if values},
        expires_at=token.expires_at,
    )


ROWS = (
    Endpoint("GET", SESSION, ANY_TOKEN, "getSession", "Who is signed in, and what the token may do.", _show,
             SessionInfo),
    Endpoint("POST", SESSION, BY_BODY, "signIn", "Sign in for the page: the answer sets a cookie.", _sign_in,
             SessionInfo, body=SignIn, success=201),
    Endpoint("DELETE", SESSION, ANY_TOKEN, "signOut", "Sign out: the session of the cookie ends, and its stream.",
             _sign_out, None, success=204),
)  # fmt: skip
"""The endpoints of the page's session."""
