"""What keeps a phone system from telling us: findings about the way there, the account, licences and switches."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.errors import (
    AlreadyLoggedIn,
    CertificateRefused,
    HostUnreachable,
    IpecsMwError,
    LoginRefused,
)
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.numbering.extensions import expand_numbers, join_verdicts
from ipecs_mw.model.texts import join_some
from ipecs_mw.protocol.smdr import read_records
from ipecs_mw.service.doctor.findings import Level, Notes
from ipecs_mw.service.intake.problems import find_shared
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.commands import carry_out
from ipecs_mw.service.session.monitoring import SUBSCRIPTIONS, read_verdicts
from ipecs_mw.store.schema.examination import find_last, find_newest
from ipecs_mw.store.server.connection import Store
from ipecs_mw.transport.certificate import read_certificate
from ipecs_mw.transport.tls import build_context, fetch_trusted

_LICENCE_MISSING = 3
_CLOCK_SECONDS = 60.0
_ZONE_SECONDS = 900.0  # clocks that are so far apart differ by a time zone, not by drift
_EXPIRES_DAYS = 30
_SILENT_SECONDS = 300.0
_LAST_EVENTS = 500
_REVERSED_ZONE = re.compile(r"Etc/GMT([+-])([1-9][0-9]?)")  # POSIX counts the hours west of Greenwich
_VERDICTS = {
    "monitor": ("monitor_accepted", "monitor_refused"),
    "presence": ("presence_accepted", "presence_refused"),
}

Ask = Callable[[str, Mapping[str, Any]], Any]
"""Has a command carried out at the host and returns its reply; raises an error whose facts hold `code`."""


def examine_way(host: HostSettings, clock: Clock, notes: Notes) -> bool:
    """Look whether the host is there and shows the trusted certificate; tell whether to go on."""
    address = f"{host.address}:{host.port}"
    try:
        certificate = fetch_trusted(host)
    except HostUnreachable as error:
        notes.add("unreachable", "error", address=address, reason=error.facts["reason"])
        return False
    except CertificateRefused as error:
        notes.add("reachable", address=address)
        name = "certificate_changed" if host.tls.verify == "pin" else "certificate_untrusted"
        facts = {"found": "?", "pinned": "-", "reason": "-", **error.facts, "host": host.name}
        notes.add(name, "error", **facts)
        return False
    notes.add("reachable", address=address)
    if host.tls.verify == "off":
        notes.add("certificate_unverified", "warning", host=host.name)
    else:
        notes.add("certificate", verify=host.tls.verify)
    if host.tls.verify == "ca" and (end := _find_end(certificate)) < clock.now() + timedelta(
        days=_EXPIRES_DAYS
    ):
        notes.add("certificate_expires", "warning", at=end)
    return True


@contextmanager
def log_in(
    host: HostSettings,
    password: str,
    commands: Mapping[str, Command],
    codes: Codes,
    clock: Clock,
    notes: Notes,
) -> Iterator[Ask | None]:
    """Log in for the block and give the way to ask; None, with a finding, where the host does not let us in."""
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # no token is remembered or used: no session of others is ended
        memory = Path(folder) / "token"
        client = HostClient(host, lambda: password, build_context(host), commands, codes, memory, clock)
        try:
            is_in = _enter(client, host, notes)
            try:
                yield (lambda name, given: carry_out(client, commands[name], given)) if is_in else None
            finally:
                if is_in:
                    with notes.step("logout_failed", "warning"):
                        client.logout()
        finally:
            client.close()


def examine_switches(ask: Ask, host: HostSettings, notes: Notes) -> None:
    """Look at what the licences and the account allow, by questions that change nothing."""
    wants_smdr = host.smdr.backfill or host.smdr.delete_after_store
    reply = _try("smdr.get", {"maxCount": 1}, "API-SMDR", ask, notes) if wants_smdr else None
    if reply is not None:
        with notes.step("smdr_odd", "warning"):
            records = read_records(reply)
            notes.add("smdr")
            if records:
                is_on = "callRefID" in records[0]
                notes.add("call_tracking" if is_on else "call_tracking_off", "ok" if is_on else "warning")
    wants_cti = any(getattr(host, name) for name in SUBSCRIPTIONS)
    if wants_cti and _try("terminals.get", {"startIndex": 1, "count": 1}, "API-CTI", ask, notes) is not None:
        notes.add("cti")


def examine_monitoring(ask: Ask, host: HostSettings, notes: Notes) -> None:
    """Ask for what the configuration wants to be told of, and look at the verdicts."""
    for name in SUBSCRIPTIONS:
        numbers = expand_numbers(getattr(host, name))
        if not numbers:
            continue
        reply = _try(f"{name}.start", {"deviceNumber": numbers}, "API-CTI", ask, notes)
        if reply is None:
            return
        verdicts = read_verdicts(reply, numbers)
        refused = {number: verdict for number, verdict in verdicts.items() if verdict != "OK"}
        note_verdicts(name, len(verdicts) - len(refused), refused, notes)


def note_verdicts(name: str, accepted: int, refused: Mapping[str, str], notes: Notes) -> None:
    """Add a finding about a subscription: how many numbers the host accepted, and which it refused."""
    if not refused:
        notes.add(_VERDICTS[name][0], count=accepted)
        return
    numbers = join_some(join_verdicts(refused))
    level: Level = "warning" if accepted else "error"
    notes.add(_VERDICTS[name][1], level, count=accepted, refused=len(refused), numbers=numbers)


def examine_daemon(state: Mapping[str, Any], notes: Notes) -> bool:
    """Look at what a running daemon says of its host; tell whether its session is up."""
    name, reason = str(state.get("state")), state.get("reason") or "-"
    is_up = name == "up"
    notes.add(
        "session_up" if is_up else "session_not_up", "ok" if is_up else "error", state=name, reason=reason
    )
    if problem := state.get("problem"):
        notes.add("forwarding_stalled", "error", detail=problem)
    for subscription, verdicts in (state.get("monitors") or {}).items():
        if subscription in SUBSCRIPTIONS:
            note_verdicts(subscription, verdicts.get("accepted", 0), verdicts.get("refused") or {}, notes)
    return is_up


def examine_events(
    store: Store, host: HostSettings, up_since: datetime | None, clock: Clock, notes: Notes
) -> None:
    """Look at the newest events of the host: whether ACD events come, with call references, and its clock.

    `up_since` is since when a session is up, None where there is none.
    """
    with notes.step("events_unknown", "warning"):
        newest = find_newest(store, host.name, "acd")
        heard_at = newest["received_at"] if newest else None
        silent = _silent_seconds(heard_at, up_since, clock)
        if silent is not None and silent > _SILENT_SECONDS:
            notes.add("acd_silent", "warning", minutes=int(silent // 60))
        elif heard_at is None:
            notes.add("acd_never", "ok" if up_since else "warning")
        else:
            notes.add("acd", at=heard_at)
        if newest and "at" in newest:
            _judge_clock((newest["at"] - newest["received_at"]).total_seconds(), host.timezone, notes)


def examine_writing(store: Store, host: HostSettings, notes: Notes) -> None:
    """Look whether the settings fit how the host writes: zones that mislead, problems that most events share."""
    if found := _REVERSED_ZONE.fullmatch(host.timezone):
        name = "zone_behind" if found[1] == "+" else "zone_ahead"
        notes.add(name, "warning", zone=host.timezone, hours=int(found[2]))
    with notes.step("events_unknown", "warning"):
        for shared in find_shared(find_last(store, host.name, _LAST_EVENTS)):
            notes.add("events_problem", "warning", **shared._asdict())


def _silent_seconds(heard_at: datetime | None, up_since: datetime | None, clock: Clock) -> float | None:
    """Return for how long a session that is up has brought no ACD event, None without a session."""
    if up_since is None:
        return None
    return (clock.now() - max(up_since, heard_at or up_since)).total_seconds()


def _judge_clock(ahead: float, zone: str, notes: Notes) -> None:
    facts = {"seconds": round(ahead), "zone": zone}
    if abs(ahead) >= _ZONE_SECONDS:
        notes.add("host_zone_off", "warning", **facts)
    elif abs(ahead) > _CLOCK_SECONDS:
        notes.add("host_clock_off", "warning", **facts)
    else:
        notes.add("host_clock", **facts)


def _enter(client: HostClient, host: HostSettings, notes: Notes) -> bool:
    try:
        login = client.login()
    except LoginRefused:
        notes.add("login_refused", "error", user=host.user)
    except AlreadyLoggedIn:
        notes.add("account_held", "error", user=host.user)
    except IpecsMwError:
        with notes.step("login_failed"):
            raise
    else:
        notes.add("login", user=host.user, system=login.system or "-")
        return True
    return False


def _try(command: str, arguments: Mapping[str, Any], licence: str, ask: Ask, notes: Notes) -> Any:
    """Return the reply; None, with a finding, where the host refuses it."""
    try:
        return ask(command, arguments) or {}
    except IpecsMwError as error:
        if error.facts.get("code") == _LICENCE_MISSING:
            notes.add("licence_missing", "error", licence=licence)
            return None
        with notes.step("command_failed"):
            raise
    return None


def _find_end(certificate: bytes) -> datetime:
    try:
        return read_certificate(certificate).not_after_at
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
