"""What a call is found by when one looks for a name: how each of its words begins, without case and accents.

Digits are no part of it: else who may not see a number could guess it, where it stands in the place of a name.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

_MOST_WORDS = 16
_MOST_LETTERS = 16
_UNSEEN = frozenset({"Mn", "Mc", "Me", "Cf"})  # accents, and signs that only steer how a text is shown


def fold_words(text: str) -> list[str]:
    """Return the words of a name in the form in which they are compared, each once.

    The first 16 words count, and the first 16 letters of each.
    """
    small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (letter for letter in small if unicodedata.category(letter) not in _UNSEEN)
    words = ("".join(letters) for is_word, letters in groupby(seen, str.isalpha) if is_word)
    return list(dict.fromkeys(word[:_MOST_LETTERS] for word in words))[:_MOST_WORDS]


def list_beginnings(call: Mapping[str, Any]) -> Sequence[str]:
    """Return all beginnings of the words of a call's name, from one letter on; none where it has no name."""
    caller = call.get("caller")
    name = caller.get("name") if isinstance(caller, Mapping) else None
    words = fold_words(name) if isinstance(name, str) else ()
    return list(dict.fromkeys(word[:end] for word in words for end in range(1, len(word) + 1)))
