"""Commands and questions from Python over the API: needs its address and a token, and no MongoDB.

from ipecs_mw import ApiClient

with ApiClient("http://127.0.0.1:8790", token) as client:
    client.send("call.make", deviceNumber="1001", calledDN="0123456")
    for call in client.calls(group="620", outcome="abandoned"):
        print(call["began_at"], call["caller"])
    for message in client.follow("calls"):
        print(message.name, message.data)
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote
from uuid import uuid4

import requests

from ipecs_mw.api_following import SILENT_SECONDS, ApiFollower
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import ApiRefused, ApiUnreachable, CommandFailed, IpecsMwError
from ipecs_mw.seeds import shipped_texts

_BASE = "/api/v1"
_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_GRACE_SECONDS = 20.0  # what was claimed in the last moment still gets its reply's deadline
_MOST_ON_A_PAGE = 500
_LATER = (429, 502, 503, 504)
_WRONG_COMMAND = (400, 422)
_ENDED = frozenset({"done", "failed", "expired", "unknown"})
_NOT_SENT = frozenset({"NewConnectionError", "ConnectTimeoutError", "NameResolutionError"})

Document = dict[str, Any]


class ApiClient:
    """Asks, commands and follows through `ipecs-mw serve`; safe to share between threads.

    Documents are as the API gives them: with `id`, and instants as texts in ISO 8601. `str` of every error is a
    sentence. Raises ApiUnreachable where nobody answers or not now, ApiRefused for what the API refuses.
    """

    def __init__(self, url: str, token: str, *, verify: bool | str = True) -> None:
        """Address and token of the API; nothing is sent yet. `verify` may be a file of authorities."""
        self._url = url.rstrip("/").removesuffix(_BASE)
        self._texts = shipped_texts()
        self._clock = SystemClock()
        self._verify = verify
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": self._texts.locale}
        self._session = requests.Session()

    # commands

    def send(
        self,
        command: str,
        *,
        host: str | None = None,
        timeout_seconds: float = 30.0,
        key: str | None = None,
        **arguments: Any,
    ) -> Any:
        """Have `command` carried out and return the host's reply, as `Client.send`; asked again it is sent once.

        With a `key` of your own it is sent once also by several calls. Raises CommandFailed as `Client.send`.
        """
        key = key or str(uuid4())
        began_at = self._clock.monotonic()
        request = self._submit(command, host, timeout_seconds, key, arguments)
        while request["state"] not in _ENDED:
            if self._clock.monotonic() - began_at > timeout_seconds + _GRACE_SECONDS:
                self._fail("error.request_unanswered", command=command, state="unknown", id=request["id"])
            self._pause(0.2)
            with suppress(ApiUnreachable):  # the request is there, whoever is not
                request = self._get(f"/requests/{request['id']}")
        if request["state"] != "done":
            error = request.get("error")
            error = error if isinstance(error, Mapping) else {"text": str(error or "")}
            facts = {name: error.get(name) for name in ("family", "code", "name")}
            facts |= {"state": request["state"], "text": error.get("text", "")}
            self._fail(f"error.request_{request['state']}", command=command, **facts)
        return request.get("result")

    def _submit(
        self, command: str, host: str | None, seconds: float, key: str, arguments: Mapping[str, Any]
    ) -> Document:
        """Queue a command, as often as it takes: with one key it is one request."""
        ends = self._clock.monotonic() + seconds
        is_sent, pause = False, 0.2
        while True:
            left = max(ends - self._clock.monotonic(), 0.1)
            body = {"command": command, "args": dict(arguments), "timeout_seconds": left}
            body |= {} if host is None else {"host": host}
            try:
                return self._ask("POST", "/requests", body=body, headers={"Idempotency-Key": key})
            except ApiRefused as error:
                if error.status in _WRONG_COMMAND:
                    facts = {"state": "failed", "name": error.name, "text": str(error)}
                    self._fail("error.request_failed", command=command, family="arguments", **facts)
                raise
            except ApiUnreachable as error:
                is_sent = is_sent or error.may_have_acted
                if self._clock.monotonic() + pause > ends:
                    if is_sent:
                        self._fail("error.request_unanswered", command=command, state="unknown", id=key)
                    raise
            self._pause(pause)
            pause = min(pause * 2, 5.0)

    def commands(self) -> list[Document]:
        """Return the commands that the token may give, each with its arguments."""
        found: list[Document] = self._get("/commands")["items"]
        return found

    # questions

    def status(self) -> Document:
        """Return who runs, and how each phone system is."""
        return self._get("/status")

    def events(self, *, limit: int = 50, **filters: Any) -> Iterator[Document]:
        """Return events, newest first; filters as of `GET /events`."""
        return self._list("/events", limit, filters)

    def calls(self, *, is_open: bool | None = None, limit: int = 50, **filters: Any) -> Iterator[Document]:
        """Return the calls that match, newest first; `limit` 0: all of them. Filters as of `Client.calls`."""
        return self._list("/calls", limit, {**filters, "open": is_open})

    def call(self, call_id: str) -> Document:
        """Return one call by its id, or a beginning that only one has."""
        return self._get(f"/calls/{_quote(call_id)}")

    def call_events(self, call_id: str) -> list[Document]:
        """Return the events that a call was read from."""
        found: list[Document] = self._get(f"/calls/{_quote(call_id)}/events")["items"]
        return found

    def live(self, host: str | None = None, *, group: str | None = None) -> Document:
        """Return what stations, agents and groups do now: `as_of`, `is_stale` and `items`."""
        parts = [self._get(path, host=host, group=group) for path in ("/stations", "/agents", "/queues")]
        return {
            "as_of": min(part["as_of"] for part in parts),
            "is_stale": any(part["is_stale"] for part in parts),
            "items": [item for part in parts for item in part["items"]],
        }

    def missed(self, state: str | None = "open", *, limit: int = 50, **filters: Any) -> Iterator[Document]:
        """Return the missed calls that match, that of the latest call first; with `state` None closed ones too."""
        return self._list("/missed", limit, {**filters, "state": state or "all"})

    def close_missed(self, missed_id: str, *, note: str | None = None) -> Document:
        """Close a missed call, with a note where one is given; ApiRefused with status 409 where it is closed."""
        return self._change(missed_id, state="closed", note=note)

    def own_missed(self, missed_id: str, owner: str) -> Document:
        """Say who sees to a missed call; an empty text: nobody."""
        return self._change(missed_id, owner=owner)

    def note_missed(self, missed_id: str, note: str) -> Document:
        """Note what was agreed."""
        return self._change(missed_id, note=note)

    def _change(self, missed_id: str, **changes: str | None) -> Document:
        body = {name: value for name, value in changes.items() if value is not None}
        return self._ask("PATCH", f"/missed/{_quote(missed_id)}", body=body)

    def figures(
        self, what: str = "queues", *, threshold_seconds: int | None = None, **question: Any
    ) -> Document:
        """Return figures of `queues`, `agents` or `hours`: `items`, and their `total`; ask as `Client.figures`."""
        return self._get(f"/figures/{_quote(what)}", **question, threshold=threshold_seconds)

    # following

    def follow(
        self,
        *topics: str,
        after: str | None = None,
        snapshot: bool = False,
        timeout_seconds: float | None = None,
        **filters: str | Sequence[str],
    ) -> ApiFollower:
        """Follow `events`, `calls`, `state`, `missed`, `figures` or `requests`, from now or `after` a position.

        Filters are `host`, `station`, `group`, `kind` and `type`, each a text or several. A connection that breaks
        is made anew after the last position: nothing is missed and nothing comes twice. With `snapshot` it begins
        with what is so now. A message `reset` says that MongoDB no longer has what came in between; the state
        follows it. It goes on for ever, or until nothing came for `timeout_seconds`; the end is noticed up to 15 s
        late.
        """
        query = {"topics": ",".join(topics), **filters}
        seconds = min(max(timeout_seconds or SILENT_SECONDS, _CONNECT_SECONDS), SILENT_SECONDS)

        def open_stream(position: str) -> requests.Response:
            headers = {"Last-Event-ID": position} if position else {}
            begin = {"snapshot": "true"} if snapshot and position in ("", after) else {}
            with requests.Session() as session:  # of its own: a stream never gives its connection back
                return self._request(
                    session,
                    "GET",
                    "/stream",
                    params=query | begin,
                    headers=headers,
                    seconds=seconds,
                    is_stream=True,
                )

        return ApiFollower(open_stream, self._clock, after or "", timeout_seconds)

    # the wire

    def _list(self, path: str, limit: int, filters: Mapping[str, Any]) -> Iterator[Document]:
        left, cursor = limit, None
        while True:
            size = min(left, _MOST_ON_A_PAGE) if limit else _MOST_ON_A_PAGE
            page = self._get(path, **{"limit": size, **filters}, cursor=cursor)
            yield from page["items"]
            cursor, left = page["next"], left - len(page["items"])
            if cursor is None or (limit and left <= 0):
                return

    def _get(self, path: str, **params: Any) -> Document:
        return self._ask("GET", path, params=params)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        answer = self._request(
            self._session, method, path, params=params or {}, body=body, headers=headers or {}
        )
        found: Document = answer.json()
        return found

    def _request(
        self,
        session: requests.Session,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any],
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        seconds: float = _ANSWER_SECONDS,
        is_stream: bool = False,
    ) -> requests.Response:
        try:
            answer = session.request(
                method,
                self._url + _BASE + path,
                params={name: _spell(value) for name, value in params.items() if value is not None},
                json=body,
                headers={**self._headers, **headers},
                timeout=(_CONNECT_SECONDS, seconds),
                verify=self._verify,
                stream=is_stream,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._tell(_describe_failure(self._url, error)) from None
        if answer.status_code // 100 == 2:
            return answer
        problem = _read_problem(answer)
        answer.close()
        facts = {"status": answer.status_code, "name": problem.get("name", ""), "detail": problem["detail"]}
        if answer.status_code in _LATER:
            raise self._tell(ApiUnreachable("error.api_refused", **facts, may_have_acted=False))
        raise self._tell(ApiRefused("error.api_refused", **facts))

    def _tell(self, error: IpecsMwError) -> IpecsMwError:
        error.sentence = self._texts.explain(error)
        return error

    def _fail(self, key: str, **facts: Any) -> NoReturn:
        raise self._tell(CommandFailed(key, **facts))

    def _pause(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def _quote(part: str) -> str:
    return quote(str(part), safe="")


def _read_problem(answer: requests.Response) -> Mapping[str, Any]:
    """Return the problem document of an answer; of what is none the status."""
    with suppress(ValueError, requests.RequestException):
        found = answer.json()
        if isinstance(found, dict) and isinstance(found.get("detail"), str):
            return found
    return {"detail": f"{answer.status_code} {answer.reason}"}


def _describe_failure(url: str, error: requests.RequestException) -> ApiUnreachable:
    """Return why nobody answers, and whether what was sent may have arrived."""
    cause = getattr(error.args[0] if error.args else None, "reason", None) or error
    is_unsent = type(cause).__name__ in _NOT_SENT or isinstance(
        error, requests.exceptions.SSLError | requests.exceptions.ConnectTimeout
    )
    reason = str(cause).rpartition(": ")[2][:200] or type(cause).__name__
    return ApiUnreachable("error.api_unreachable", url=url, reason=reason, may_have_acted=not is_unsent)
