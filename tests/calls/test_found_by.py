"""Names are compared by how their words begin, without case and accents, and digits are no part of them."""

import pytest

from ipecs_mw.calls.documents.found_by import fold_words, list_beginnings

_RIGHT_TO_LEFT = "\u202e"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Anna Müller", ["anna", "muller"]),
        ("STRASSE straße", ["strasse"]),
        ("O’Brien-Kelly, Zoë", ["o", "brien", "kelly", "zoe"]),
        ("İstanbul ÅSA", ["istanbul", "asa"]),
        (f"{_RIGHT_TO_LEFT}Mül{_RIGHT_TO_LEFT}ler", ["muller"]),
        ("<b>Kim</b>", ["b", "kim"]),
        ("a.*b(c|d)[e]$", ["a", "b", "c", "d", "e"]),
        ("0301234567", []),
        ("Door 4, 1\u0665 ①", ["door"]),
        (" \t ", []),
        ("", []),
    ],
)
def test_a_name_is_its_words_without_case_accents_and_digits(text: str, words: list[str]) -> None:
    assert fold_words(text) == words


def test_a_syllable_of_hangul_is_found_while_it_is_being_typed() -> None:
    (syllable,) = fold_words("김")
    for typed in ("ㄱ", "기", "김"):
        assert syllable.startswith(fold_words(typed)[0])
    assert not syllable.startswith(fold_words("감")[0])
    assert fold_words("박지민")[0].startswith(fold_words("박지")[0])


def test_a_name_of_any_length_has_few_short_beginnings() -> None:
    for name in (
        "x" * 4096,
        "ab " * 1400,
        " ".join(f"{letter}{'y' * 40}" for letter in "abcdefghijklmnopqrstuvw"),
    ):
        found = list_beginnings({"caller": {"name": name}})
        assert found[0] == name[0]
        assert len(found) <= 16 * 16
        assert max(map(len, found)) <= 16


@pytest.mark.parametrize("call", [{}, {"caller": {}}, {"caller": None}, {"caller": {"name": 7}}])
def test_a_call_without_a_name_is_found_by_none(call: dict[str, object]) -> None:
    assert list(list_beginnings(call)) == []


def test_a_call_is_found_by_each_beginning_of_each_word_once() -> None:
    found = list_beginnings({"caller": {"name": "Kim Ki"}})
    assert found == ["k", "ki", "kim"]
