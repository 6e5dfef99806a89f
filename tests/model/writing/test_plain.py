"""What is shown cannot steer the terminal, the direction of the line, or the lines of a log."""

import json

import pytest

from ipecs_mw.model.writing.plain import escape, escape_json

STEERING = [
    "\x1b[2J", "\x9b31m", "\x85", "\x7f", "\u202eoo", "\u2066a\u2069", "\u200f", "\u2028", "\u2029", "\ufeff",
    "\ud800", "\U000e0041", "\n", "\r", "\t", "\0",
]  # fmt: skip


@pytest.mark.parametrize("text", STEERING)
def test_a_sign_that_steers_is_written_out(text: str) -> None:
    assert escape(f"a{text}b").isprintable()
    assert escape(f"a{text}b").startswith("a\\")


@pytest.mark.parametrize("text", STEERING)
def test_json_keeps_its_value_and_steers_nothing(text: str) -> None:
    safe = escape_json(json.dumps({"name": text}, ensure_ascii=False))
    assert safe.isprintable()
    assert json.loads(safe) == {"name": text}


def test_indented_json_keeps_its_lines() -> None:
    safe = escape_json(json.dumps({"name": "\x9b"}, ensure_ascii=False, indent=1))
    assert safe == '{\n "name": "\\u009b"\n}'


@pytest.mark.parametrize("text", ["", "김철수", "Müller–Söhne", "山田\u3000太郎", "12\u00a0kg", "👍"])
def test_what_people_write_stays(text: str) -> None:
    assert escape(text) == text
    assert escape_json(text) == text
