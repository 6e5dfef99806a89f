"""Language strings: looked up by key, filled with named facts."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from string import Formatter
from typing import Any

from ipecs_mw.errors import IpecsMwError, Words
from ipecs_mw.model.reasons import translate_reason

REFERENCE_LOCALE = "en-GB"
"""The locale that every key exists in; its placeholders are the ones a translation must have."""

_MOST_SHOWN = 20
_HOME = {"en": "en-GB", "ko": "ko-KR"}  # where "language-LANGUAGE" is not the locale that people mean


def fallback_chain(locale: str) -> tuple[str, ...]:
    """Return the locales to look a key up in: `de-CH` gives `de-CH, de-DE, en-GB`."""
    language = locale.split("-", maxsplit=1)[0].lower()
    home = _HOME.get(language, f"{language}-{language.upper()}")
    return tuple(dict.fromkeys((locale, home, REFERENCE_LOCALE)))


def join_some(items: Collection[str]) -> str:
    """Return items as people read them, at most the first 20, and `…` where there are more."""
    shown = list(items)[:_MOST_SHOWN]
    return ", ".join([*shown, "…"] if len(items) > len(shown) else shown)


def find_placeholders(text: str) -> frozenset[str]:
    """Return the names in braces; raise ValueError where the braces are not plain `{name}`."""
    names = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise ValueError(text)
        names.add(name)
    return frozenset(names)


class Texts:
    """The strings of all loaded locales, read in one of them.

    `strings` maps locale → key → text. Lookup never raises: a key that no locale of the chain has reads as the
    key itself, and a fact that a text asks for and does not get stays in its braces.
    """

    def __init__(self, locale: str, strings: Mapping[str, Mapping[str, str]]) -> None:
        self.locale = locale
        self._strings = strings

    @cached_property
    def _by_key(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for locale in reversed(fallback_chain(self.locale)):
            merged.update(self._strings.get(locale, {}))
        return merged

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def render(self, key: str, /, **facts: Any) -> str:
        """Return the sentence of `key` with `facts` in its placeholders."""
        text = self._by_key.get(key)
        return key if text is None else text.format_map(_Facts(self.say_all(facts)))

    def read(self, key: str) -> str:
        """Return the text of `key` as it stands, placeholders and all."""
        return self._by_key.get(key, key)

    def select(self, beginnings: tuple[str, ...]) -> dict[str, str]:
        """Return key → text, placeholders and all, of the keys that begin so."""
        return {key: text for key, text in self._by_key.items() if key.startswith(beginnings)}

    def say(self, fact: Any) -> Any:
        """Return a fact as it stands in a sentence: words in this language, all else as it is."""
        if not isinstance(fact, Words):
            return fact
        is_said = fact.default is None or fact.key in self
        return self.render(fact.key, **fact.facts) if is_said else fact.default

    def say_all(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return facts as `say` does, and what the operating system gives as a `reason` in words."""
        said = {name: self.say(fact) for name, fact in facts.items()}
        if isinstance(reason := said.get("reason"), str):
            said["reason"] = translate_reason(reason, self.read)
        return said

    def explain(self, error: IpecsMwError) -> str:
        """Return the sentence of an error, with those of what else is wrong."""
        return " ".join(self.explain_each(error))

    def explain_each(self, error: IpecsMwError) -> list[str]:
        """Return a sentence for each thing that is wrong, each once."""
        return list(dict.fromkeys(self.render(each.key, **each.facts) for each in (error, *error.more)))

    def word(self, table: str, code: object, default: str | None = None) -> str:
        """Return the word of a code table's entry, `default` (else the code) where there is none."""
        return self._by_key.get(f"code.{table}.{code}", str(code) if default is None else default)

    def find_untranslated(self) -> list[str]:
        """Return the keys that are read in the reference locale, because the language has no text for them."""
        own = [locale for locale in fallback_chain(self.locale) if locale != REFERENCE_LOCALE]
        language, reference = self.locale.partition("-")[0], REFERENCE_LOCALE.partition("-")[0]
        known = {key for locale in own for key in self._strings.get(locale, {})}
        return [] if language == reference else sorted(self._strings.get(REFERENCE_LOCALE, {}).keys() - known)

    def speak(self, locale: str) -> "Texts":
        """Return the same strings read in another locale."""
        return Texts(locale, self._strings)


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


def find_faults(
    reference: Mapping[str, str], strings: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield (locale, key, what is wrong) for each text whose placeholders differ from the reference's.

    `reference` is the shipped en-GB: its placeholders are the facts that the program gives. A key that it does
    not have is somebody's own and only needs readable braces.
    """
    for locale, texts in strings.items():
        for key, text in texts.items():
            try:
                found = find_placeholders(text)
            except ValueError:
                yield locale, key, "{}"
                continue
            expected = find_placeholders(reference[key]) if key in reference else found
            if found != expected:
                names = [f"-{{{name}}}" for name in sorted(expected - found)]
                names += [f"+{{{name}}}" for name in sorted(found - expected)]
                yield locale, key, " ".join(names)
