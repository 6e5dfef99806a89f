"""An alarm as a mail: a line that says it all, and below when and where."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from msgspec import Struct

from ipecs_mw.errors import Words
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.reports.message import begin_message, name_message


class Told(Struct, frozen=True):
    """What a mail says of an alarm: by which rule, where, what, and since when; `ended_at` once it is over."""

    rule: str
    host: str
    says: Words
    since: datetime
    ended_at: datetime | None = None


def build_alarm_message(
    told: Told,
    texts: Texts,
    zone: ZoneInfo,
    *,
    telling: str,
    run: str,
    first_run: str,
    sender: str,
    to: Sequence[str],
    at: datetime,
) -> EmailMessage:
    """Return the mail that an alarm was `raised`, or that it `ended`; then as an answer to that of `first_run`."""
    says = escape(str(texts.say(told.says)))
    subject = texts.render(f"alarm.subject.{telling}", rule=told.rule, what=says)
    message = begin_message(subject, run=run, sender=sender, to=to, at=at)
    message["Importance"] = "high" if telling == "raised" else "normal"
    if telling == "ended":
        message["In-Reply-To"] = name_message(first_run, sender)
    lines = [
        subject,
        "",
        texts.render("alarm.mail.host", host=told.host),
        texts.render("alarm.mail.since", at=_spell(told.since, zone)),
    ]
    if told.ended_at is not None:
        lines.append(texts.render("alarm.mail.until", at=_spell(told.ended_at, zone)))
    lines += ["", texts.render("alarm.mail.footer", rule=told.rule, zone=zone.key)]
    message.set_content("".join(f"{line}\n" for line in lines))
    return message


def _spell(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
