"""A report as a mail: text, HTML and CSV that say the same, whatever names are in them."""

import csv
import io
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from report_scene import FORMULA, QUESTION, ROWS, build_table, speak

from ipecs_mw.figures.answers.table import Column, Table
from ipecs_mw.reports.message import build_message

AT = datetime(2026, 11, 24, 7, tzinfo=UTC)
TO = ("boss@example.com", "lead@example.com")
ALLOWED_TAGS = {
    "html", "head", "meta", "title", "body", "h1", "p", "table", "thead", "tbody", "tfoot", "tr", "th", "td",
}  # fmt: skip


def build(
    table: Table | None = None, locale: str = "en-GB", run: str = "1", name: str = "daily"
) -> EmailMessage:
    return build_message(
        name,
        QUESTION,
        build_table() if table is None else table,
        speak(locale),
        run=run,
        sender="pbx@example.com",
        to=TO,
        at=AT,
    )


def read(message: EmailMessage) -> dict[str, str]:
    """Return the parts as a mail program reads them off the wire, by type."""
    received = message_from_bytes(message.as_bytes(), policy=default)
    parts = [part for part in received.walk() if not part.is_multipart()]
    return {part.get_content_type(): part.get_content() for part in parts}


class Tags(HTMLParser):
    """What a browser would make of a page: tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_mail_says_from_whom_to_whom_when_and_which_figures() -> None:
    message = build()
    assert message["From"] == "pbx@example.com"
    assert message["To"] == "boss@example.com, lead@example.com"
    assert message["Subject"] == "daily: Groups, 2026-11-23"
    assert message["Date"] == "Tue, 24 Nov 2026 07:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert list(read(message)) == ["text/plain", "text/html", "text/csv"]
    assert message.get_content_type() == "multipart/mixed"


def test_the_subject_says_what_the_report_is_limited_to() -> None:
    limited = structs.replace(QUESTION, group="620", hours="office")
    message = build_message(
        "daily", limited, build_table(), speak(), run="1", sender="pbx@example.com", to=TO, at=AT
    )
    assert message["Subject"] == "daily: Groups, Group 620, Hours: office, 2026-11-23"


def test_the_same_run_has_the_same_message_id_and_another_run_another() -> None:
    assert build(run="1")["Message-ID"] == build(run="1", locale="de-DE")["Message-ID"]
    assert build(run="1")["Message-ID"] != build(run="2")["Message-ID"]
    assert re.fullmatch(r"<[0-9a-f]{40}@example\.com>", build()["Message-ID"])


def test_text_and_html_show_the_figures_as_people_read_them() -> None:
    parts = read(build())
    page = Tags(parts["text/html"])
    for text in (
        "Groups",
        "2026-11-23",
        "Verkauf 영업",
        "70.0 %",
        "00:09",
        "2026-11-23 09:00",
        "–",
        "1:01:40",
    ):
        assert text in parts["text/plain"]
        assert any(text in found for found in page.texts), text
    assert "Total" in page.texts
    footer = "Report daily of ipecs-mw. Times are of Asia/Singapore."
    assert footer in parts["text/plain"]
    assert footer in page.texts


def test_columns_of_the_text_stand_below_each_other_also_beside_korean_names() -> None:
    rows = [{"group": "영업", "offered": 5}, {"group": "Sales", "offered": 100}]
    table = build_table(columns=(Column("group", "group", "text"), Column("offered", "offered")), rows=rows)
    lines = read(build(table))["text/plain"].splitlines()
    first = next(line for line in lines if line.startswith("영업"))
    second = next(line for line in lines if line.startswith("Sales"))
    assert len(first) + 2 == len(second)  # two letters that are twice as wide


def test_a_german_mail_is_german() -> None:
    parts = read(build(locale="de-DE"))
    assert "70,0 %" in parts["text/plain"]
    assert '<html lang="de-DE">' in parts["text/html"]
    assert "Gruppen" in parts["text/html"]


def test_the_csv_has_the_values_and_no_formula() -> None:
    lines = list(csv.reader(io.StringIO(read(build())["text/csv"].removeprefix("\ufeff"))))
    assert lines[0] == ["group", "offered", "service_level", "asa", "as_of"]
    assert lines[1] == ["Verkauf 영업", "100", "0.7", "9.33", "2026-11-23T09:00:00+08:00"]
    assert lines[3][0] == "'" + FORMULA
    assert len(lines) == 1 + len(ROWS)


def test_a_hostile_name_is_text_and_nothing_else() -> None:
    message = build()
    raw = message.as_bytes()
    assert b"\nBcc" not in raw
    parts = read(message)
    page = Tags(parts["text/html"])
    assert set(page.tags) <= ALLOWED_TAGS
    assert any("<img src=x onerror=alert(1)>\\r\\nBcc" in text for text in page.texts)
    for part in parts.values():
        assert not set("\u202e\x1b\ud800") & set(part)


def test_html_takes_nothing_from_outside_and_runs_nothing() -> None:
    page = Tags(read(build())["text/html"])
    assert not page.attributes & {"src", "href", "background", "onerror", "class"}
    assert "url(" not in read(build())["text/html"]


def test_a_bar_is_made_of_cells_of_a_table() -> None:
    html = read(build())["text/html"]
    assert 'width="56" height="6"' in html  # 70 % of 80
    assert html.count('role="presentation"') == 4  # of three counts and of one share


def test_a_report_without_figures_says_so() -> None:
    parts = read(build(build_table(rows=[], total=None, notes=())))
    assert "There are no figures for these days." in parts["text/plain"]
    assert "There are no figures for these days." in parts["text/html"]


def test_every_server_takes_it_for_it_is_in_ascii_with_short_lines() -> None:
    raw = build().as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.text(), st.sampled_from(["en-GB", "de-DE", "ko-KR"]))
def test_no_text_whatsoever_becomes_markup_a_header_or_a_formula(text: str, locale: str) -> None:
    rows: list[dict[str, Any]] = [{"group": text, "offered": 1}]
    message = build(build_table(rows=rows), locale)
    parts = read(message)
    page = Tags(parts["text/html"])
    assert set(page.tags) <= ALLOWED_TAGS
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    cell = list(csv.reader(io.StringIO(parts["text/csv"].removeprefix("\ufeff"))))[1][0]
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert len(read(build(build_table(rows=rows)))["text/plain"].splitlines()) == len(
        read(build(build_table(rows=[{"group": "a", "offered": 1}])))["text/plain"].splitlines()
    )


@pytest.mark.parametrize("name", ["x\r\nBcc: y@example.com", "x\n"])
def test_no_name_makes_a_header(name: str) -> None:  # besides, the configuration takes none such
    with pytest.raises(ValueError, match=r"header|linefeed|newline"):
        build(name=name)
