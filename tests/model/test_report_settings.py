"""Settings of mails and reports: what is allowed, and that a refusal says what is."""

from typing import Any

import pytest
from support import explain

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.configuration.report_settings import is_mail_address
from ipecs_mw.model.configuration.settings import list_passwords, parse_settings
from ipecs_mw.model.contents import mask_passwords
from ipecs_mw.seeds import read_json

MAIL = {"server": "mail.example.com", "sender": "pbx@example.com", "user": "pbx", "password": {"env": "M"}}
REPORT = {
    "name": "yesterday",
    "what": "queues",
    "period": "yesterday",
    "every": "day",
    "to": ["boss@example.com"],
}


def build(mail: Any = MAIL, *reports: dict[str, Any]) -> dict[str, Any]:
    return {**read_json("config.json"), "mail": mail, "reports": [{**REPORT, **each} for each in reports]}


def refuse(content: dict[str, Any]) -> tuple[str, str]:
    """Return the path that is refused, and the whole sentence."""
    with pytest.raises(InvalidDocument) as caught:
        parse_settings(content, source="config/default")
    assert len(explain(caught.value)) < 400
    return str(caught.value.facts["path"]), explain(caught.value)


def test_a_report_needs_a_name_what_of_which_days_how_often_and_to_whom() -> None:
    settings = parse_settings(build(MAIL, {}), source="x")
    report = settings.reports[0]
    assert (report.at, report.on, report.zone, report.language) == ("07:00", None, None, None)
    assert settings.mail is not None
    assert (settings.mail.security, settings.mail.port, settings.mail.tls.verify) == ("starttls", None, "ca")


@pytest.mark.parametrize(
    ("report", "path", "says"),
    [
        ({"what": "cows"}, "reports[0].what", "queues"),
        ({"period": "tomorrow"}, "reports[0].period", "yesterday"),
        ({"every": "hour"}, "reports[0].every", "week"),
        ({"at": "7:00"}, "reports[0].at", "00:00 to 23:59"),
        ({"at": "24:00"}, "reports[0].at", "00:00 to 23:59"),
        ({"zone": "Mars/Olympus"}, "reports[0].zone", "IANA"),
        ({"language": "English"}, "reports[0].language", "de-DE"),
        ({"to": []}, "reports[0].to", "one webhook"),
        ({"to": ["boss"]}, "reports[0].to[0]", "a mail address"),
        ({"to": ["Boss <boss@example.com>"]}, "reports[0].to[0]", "a mail address"),
        ({"to": ["boss@example.com\r\nBcc: x@example.com"]}, "reports[0].to[0]", "a mail address"),
        ({"name": "two words"}, "reports[0].name", "a name of letters"),
        ({"name": "x\r\nBcc: y"}, "reports[0].name", "a name of letters"),
        ({"host": "nowhere"}, "reports[0].host", "main"),
        ({"group": "Sales"}, "reports[0].group", "620"),
        ({"top": 0}, "reports[0].top", "1 to 10000"),
        ({"what": "hours", "group": "620"}, "reports[0].group", "host"),
        ({"what": "queues", "agent": "1001"}, "reports[0].agent", "group, host"),
        ({"on": "monday"}, "reports[0].on", "every day"),
        ({"every": "week", "on": 3}, "reports[0].on", "monday, tuesday"),
        ({"every": "week", "on": "mon"}, "reports[0].on", "monday, saturday"),
        ({"every": "month", "on": "monday"}, "reports[0].on", "1 to 31"),
        ({"every": "month", "on": 32}, "reports[0].on", "1 to 31"),
        ({"color": "red"}, "reports[0].color", "period"),
    ],
)
def test_a_wrong_report_is_refused_with_what_is_allowed(report: dict[str, Any], path: str, says: str) -> None:
    found, sentence = refuse(build(MAIL, report))
    assert found == path
    assert says in sentence


def test_two_reports_of_one_name_are_refused() -> None:
    path, sentence = refuse(build(MAIL, {}, {"what": "agents"}))
    assert path == "reports[1].name"
    assert "no other report" in sentence


def test_a_report_for_webhooks_alone_needs_no_mail_server() -> None:
    settings = parse_settings(build(None, {"to": [], "webhooks": ["office"]}), source="x")
    assert settings.reports[0].webhooks == ["office"]
    for wrong in ([], ["two words"], ["office\n"], "office"):
        path, _ = refuse(build(None, {"to": [], "webhooks": wrong}))
        assert path.startswith("reports[0].webhooks")


def test_a_report_without_a_mail_server_is_refused() -> None:
    path, sentence = refuse(build(None, {}))
    assert path == "mail"
    assert "there are reports" in sentence
    assert parse_settings(build(None), source="x").mail is None


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"server": "smtp://mail"}, "mail.server", "a host name"),
        ({"port": 0}, "mail.port", "1 to 65535"),
        ({"security": "ssl"}, "mail.security", "starttls"),
        ({"sender": "pbx"}, "mail.sender", "a mail address"),
        ({"security": "none"}, "mail.security", "a password"),
        ({"password": None}, "mail.password", "the password of the user"),
        ({"user": None}, "mail.user", "the user"),
        ({"password": {"env": "A", "file": "b"}}, "mail.password", "exactly one of"),
        ({"tls": {"verify": "pin"}}, "mail.tls.fingerprint_sha256", "fingerprint"),
        ({"timeout_seconds": 0}, "mail.timeout_seconds", "1 to 100"),
    ],
)
def test_a_wrong_mail_server_is_refused_with_what_is_allowed(
    changes: dict[str, Any], path: str, says: str
) -> None:
    found, sentence = refuse(build({**MAIL, **changes}, {}))
    assert found == path
    assert says in sentence


def test_the_password_of_the_mail_server_is_a_secret_like_the_others() -> None:
    content = build({**MAIL, "password": "canary"})
    assert "canary" in list_passwords(parse_settings(content, source="x"))
    assert "canary" not in repr(mask_passwords(content))
    path, sentence = refuse(build({**MAIL, "password": "canary", "user": ""}))
    assert path == "mail.user"
    assert "canary" not in sentence


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("boss@example.com", True),
        ("b.o+ss@localhost", True),
        ("boss@xn--bcher-kva.example", True),
        ("", False),
        ("@example.com", False),
        ("boss@", False),
        ("bo ss@example.com", False),
        ("boss@exa mple.com", False),
        ("a@b@example.com", False),
        (".boss@example.com", False),
        ("bo..ss@example.com", False),
        ("bücher@example.com", False),
        ("boss@example.com\n", False),
        ("x" * 65 + "@example.com", False),
        ("boss@" + "x" * 300, False),
    ],
)
def test_a_mail_address_is_bare_and_of_ascii(text: str, is_one: bool) -> None:
    assert is_mail_address(text) is is_one
