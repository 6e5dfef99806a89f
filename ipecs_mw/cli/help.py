"""How groups of commands explain themselves: a whole sentence for each, none cut off."""

import re

import click

from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()
_SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)


class Chapter(click.Group):
    """A group whose help shows the first sentence of each command, however long."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a paragraph a command."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section(_TEXTS.render("click.commands")):
            formatter.write_dl([(name, first_sentence(c.help or "")) for name, c in commands if c])


def first_sentence(text: str) -> str:
    """Return the text up to its first full stop."""
    found = _SENTENCE.match(text)
    return found[0] if found else text
