"""click's own sentences, in the language: those language strings `click.…` whose English is click's."""

import gettext
import re
import sys

from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts
from ipecs_mw.seeds import shipped_strings

_PREFIX = "click."
_QUOTED = re.compile(r"\{(\w+)!r\}")


def find_keys() -> dict[str, str]:
    """Return click's sentence → the key of ours."""
    shipped = shipped_strings()[REFERENCE_LOCALE]
    return {text: key for key, text in shipped.items() if key.startswith(_PREFIX)}


def spell(sentence: str) -> str:
    """Return a sentence of click as the language strings spell it: with quotes instead of `!r`."""
    return _QUOTED.sub(r"'{\1}'", sentence)


def translate_click(texts: Texts) -> None:
    """Have click say its sentences in the language of `texts`; one that has no key stays as it is."""
    keys = find_keys()

    def translate(sentence: str) -> str:
        key = keys.get(spell(sentence))
        return sentence if key is None else texts.render(key)

    def choose(one: str, many: str, count: int) -> str:
        return translate(one if count == 1 else many)

    # each module of click has its own name for the two functions of gettext
    for module in [m for name, m in sys.modules.items() if name.partition(".")[0] == "click"]:
        names = vars(module)
        if names.get("_") is gettext.gettext:
            names["_"] = translate
        if names.get("ngettext") is gettext.ngettext:
            names["ngettext"] = choose
