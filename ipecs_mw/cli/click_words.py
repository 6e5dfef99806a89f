"""What click itself says, in the language of everything else."""

import sys

from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts

_KEYS = {
    "Usage:": "click.usage",
    "Options": "click.options",
    "Commands": "click.commands",
    "Positional arguments": "click.arguments",
    "Show this message and exit.": "click.help",
    "Show the version and exit.": "click.version",
    "Error: {message}": "click.error",
    "Try '{command} {option}' for help.": "click.try_help",
    "No such command {name!r}.": "click.no_command",
    "No such option {name!r}.": "click.no_option",
    "Missing argument": "click.missing_argument",
    "Missing option": "click.missing_option",
    "Missing parameter": "click.missing_parameter",
    "Missing command.": "click.missing_command",
    "Got unexpected extra argument ({args})": "click.extra_argument",
    "Got unexpected extra arguments ({args})": "click.extra_arguments",
    "Invalid value for {param_hint}: {message}": "click.invalid_value_for",
    "Invalid value: {message}": "click.invalid_value",
    "Option {name!r} does not take a value.": "click.no_value",
    "Option {name!r} requires an argument.": "click.needs_value",
    "Did you mean {possibility}?": "click.did_you_mean",
    "(Did you mean one of: {possibilities}?)": "click.did_you_mean_one",
    "{value!r} is not {choice}.": "click.not_the_choice",
    "{value!r} is not one of {choices}.": "click.not_a_choice",
    "{value!r} is not a valid {number_type}.": "click.not_a_number",
    "{value} is not in the range {range}.": "click.not_in_range",
    "{name} {filename!r} does not exist.": "click.no_file",
    "{name} {filename!r} is a directory.": "click.is_directory",
    "{name} {filename!r} is a file.": "click.is_file",
    "{name} {filename!r} is not readable.": "click.not_readable",
    "{name} {filename!r} is not writable.": "click.not_writable",
    "Aborted!": "click.aborted",
    "Repeat for confirmation": "click.repeat",
    "Error: The two entered values do not match.": "click.no_match",
    "Error: invalid input": "click.invalid_input",
    "default: {default}": "click.default",
    "file": "click.file",
    "directory": "click.directory",
    "path": "click.path",
}


def translate_click(texts: Texts) -> None:
    """Have click speak the language of `texts` from now on; what is not in the table stays English."""
    if texts.locale == REFERENCE_LOCALE:
        return

    def translate(message: str) -> str:
        key = _KEYS.get(message)
        return texts.read(key) if key else message

    def translate_number(one: str, many: str, count: int) -> str:
        return translate(one if count == 1 else many)

    # click binds gettext's functions by these names, and offers no other way to give it words
    for name, module in list(sys.modules.items()):
        if name.startswith("click."):
            for function, ours in (("_", translate), ("ngettext", translate_number)):
                if hasattr(module, function):
                    setattr(module, function, ours)
