"""Rules for settings that types cannot say: each yields (path below, value, what is allowed)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from ipecs_mw.errors import Words
from ipecs_mw.model.addresses import is_address, spell_address
from ipecs_mw.model.contents import MASK
from ipecs_mw.model.numbering.countries import CALLING_CODES

Wrong = Iterator[tuple[str, Any, Words]]

MOST_NUMBERS = 10_000
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})  # among the zones of a system, and none
_SECRET_FORMS = ("env", "file", "encrypted")


def is_timezone(name: str) -> bool:
    """Tell whether `name` is a zone of the IANA database: one that means the same on every machine."""
    return name not in _NO_PLACES and name in available_timezones() and bool(ZoneInfo(name))


def check_timezone(name: str) -> Wrong:
    """Refuse what is no zone of the IANA database."""
    if not is_timezone(name):
        yield "", name, Words("allowed.timezone")


def check_address(address: str) -> Wrong:
    """Refuse what is not a host name or an IP address and nothing more."""
    if not is_address(address):
        yield "", address, Words("allowed.address")


def check_country(code: str | None) -> Wrong:
    """Refuse what is the calling code of no country."""
    if code is not None and code not in CALLING_CODES:
        yield "", code, Words("allowed.country")


def check_file(file: str | None) -> Wrong:
    """Refuse a path that no system has."""
    if file is not None and "\0" in file:
        yield "", file, Words("allowed.path")


def check_secret(secret: Any) -> Wrong:
    """Refuse a secret of no form or of several, and what only stands for a hidden one."""
    if secret is None:
        return
    if not isinstance(secret, str) and sum(getattr(secret, form) is not None for form in _SECRET_FORMS) != 1:
        yield "", MASK, Words("allowed.secret_form")
    if MASK in (secret, getattr(secret, "encrypted", None)):
        yield "", MASK, Words("allowed.secret_shown")


def check_tls(tls: Any) -> Wrong:
    """Refuse to pin nothing."""
    if tls.verify == "pin" and tls.fingerprint_sha256 is None:
        yield ".fingerprint_sha256", None, Words("allowed.fingerprint_for_pin")


def check_numbers(ranges: Sequence[str]) -> Wrong:
    """Refuse ranges that lead downwards or between numbers of different lengths, and too many in all."""
    total = 0
    for index, item in enumerate(ranges):
        first, _, last = item.partition("-")
        if last and (len(first) != len(last) or int(first) > int(last)):
            yield f"[{index}]", item, Words("allowed.range")
            continue
        total += int(last or first) - int(first) + 1
        if total > MOST_NUMBERS:
            yield f"[{index}]", item, Words("allowed.most_numbers", most=MOST_NUMBERS)
            return


def find_twins(hosts: Any) -> Wrong:
    """Yield the hosts that have the name or the account of one before them; what is no host is left aside."""
    names: set[str] = set()
    accounts: set[tuple[str, ...]] = set()
    for index, host in enumerate(hosts if isinstance(hosts, list) else ()):
        if not isinstance(host, Mapping):
            continue
        name = host.get("name")
        if isinstance(name, str) and name in names:
            yield f"[{index}].name", name, Words("allowed.name_of_its_own")
        names.add(str(name))
        account = (
            spell_address(str(host.get("address"))),
            str(host.get("port", 8743)),
            str(host.get("user")),
        )
        if account in accounts and "user" in host:
            yield f"[{index}].user", host["user"], Words("allowed.account_of_its_own")
        accounts.add(account)
