"""Language strings, their fallbacks and their placeholders."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipecs_mw.errors import CannotStart
from ipecs_mw.model.texts import Texts, fallback_chain, find_faults, find_placeholders
from ipecs_mw.seeds import shipped_strings

STRINGS = {
    "en-GB": {"hello": "Hello {name}", "bye": "Goodbye", "code.ring_types.4": "Hunt group"},
    "de-DE": {"hello": "Hallo {name}"},
    "de-CH": {"bye": "Ade"},
}


@pytest.mark.parametrize(
    ("locale", "chain"),
    [
        ("de-CH", ("de-CH", "de-DE", "en-GB")),
        ("de-DE", ("de-DE", "en-GB")),
        ("de", ("de", "de-DE", "en-GB")),
        ("en-US", ("en-US", "en-GB")),
        ("ko-KR", ("ko-KR", "en-GB")),
        ("en-GB", ("en-GB",)),
    ],
)
def test_a_locale_falls_back_to_its_language_and_then_to_english(locale: str, chain: tuple[str, ...]) -> None:
    assert fallback_chain(locale) == chain


def test_each_string_comes_from_the_first_locale_of_the_chain_that_has_it() -> None:
    texts = Texts("de-CH", STRINGS)
    assert texts.render("bye") == "Ade"
    assert texts.render("hello", name="Kim") == "Hallo Kim"
    assert texts.word("ring_types", 4) == "Hunt group"


def test_a_key_that_nobody_has_reads_as_the_key() -> None:
    assert Texts("de-DE", STRINGS).render("no.such.key", name=1) == "no.such.key"


def test_a_fact_that_was_not_given_stays_in_its_braces() -> None:
    assert Texts("en-GB", STRINGS).render("hello") == "Hello {name}"


def test_a_word_that_no_table_has_reads_as_the_code_or_the_default() -> None:
    texts = Texts("en-GB", STRINGS)
    assert texts.word("ring_types", 99) == "99"
    assert texts.word("ring_types", 99, "ninety-nine") == "ninety-nine"


def test_an_error_reads_as_its_sentence() -> None:
    assert Texts("de-DE", STRINGS).explain(CannotStart("hello", name="Kim")) == "Hallo Kim"


def test_the_same_strings_can_be_read_in_another_locale() -> None:
    assert Texts("de-DE", STRINGS).speak("en-GB").render("hello", name="Kim") == "Hello Kim"


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{0}", "{name!r}", "{name:>5}", "{name.secret}", "{name[0]}"]
)
def test_braces_that_are_no_plain_placeholder_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        find_placeholders(text)


@given(st.text())
def test_whatever_the_text_its_placeholders_are_names_or_it_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(name.isidentifier() for name in find_placeholders(text))


def test_a_translation_that_lacks_or_invents_a_placeholder_is_found() -> None:
    strings = {"de-DE": {"hello": "Hallo {nom}", "bye": "Bis {", "own": "{mine}"}}
    assert set(find_faults(STRINGS["en-GB"], strings)) == {
        ("de-DE", "hello", "-{name} +{nom}"),
        ("de-DE", "bye", "{}"),
    }


def test_every_shipped_translation_has_the_placeholders_of_the_english_text() -> None:
    shipped = shipped_strings()
    assert list(find_faults(shipped["en-GB"], shipped)) == []


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("de-CH", ["code.ring_types.4"]), ("en-GB", []), ("en-US", []), ("fr-FR", list(STRINGS["en-GB"]))],
)
def test_what_a_language_lacks_is_known(locale: str, expected: list[str]) -> None:
    assert Texts(locale, STRINGS).find_untranslated() == sorted(expected)
