"""What people read: every language is complete, every sentence gets its facts, nothing is said by nobody."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

import ipecs_mw
from ipecs_mw import errors
from ipecs_mw.model.texts import REFERENCE_LOCALE, find_faults, find_placeholders
from ipecs_mw.seeds import read_json, shipped_strings

PACKAGE = Path(ipecs_mw.__file__).parent
STRINGS = shipped_strings()
ENGLISH = STRINGS[REFERENCE_LOCALE]
LOCALES = sorted(STRINGS)

FIELD_TABLES = {"call_fields", "smdr_fields"}  # they spell the wire's fields; people never read them
WORDLESS_TABLES = {*FIELD_TABLES, "smdr_directions"}  # whose letters the vendor leaves unexplained
FROM_SEEDS = (
    "click.",
    "code.",
    "command.",
    "field.",
    "kind.",
    "param.",
)  # the program builds these keys out of data

STATES_AND_EVENTS = ("code.", "demo.", "kind.", "state.", "system.")
ONE_THING_BY_TWO_CODES = {  # hosts send either; the code table gives both the same name
    "code.call_events.muteon": "code.call_events.setmuteon",
}

ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
LOG_LEVELS = {"info", "warning", "error", "critical", "exception"}


@dataclass(frozen=True)
class Saying:
    """A place in the source that says something: how, its possible keys, and the facts it gives.

    `facts` is None where they are unpacked from a mapping, and so not to be read off.
    """

    where: str
    how: str  # "log", "record", "render" or "raise"
    keys: tuple[str, ...]
    facts: frozenset[str] | None


@cache
def parse_package() -> dict[str, ast.Module]:
    """Return the syntax tree of each module, by its path in the package."""
    return {
        str(file.relative_to(PACKAGE)): ast.parse(file.read_text("utf-8"))
        for file in sorted(PACKAGE.rglob("*.py"))
    }


def find_way(call: ast.Call) -> str | None:
    """Return how `call` says something to people, None where it does not."""
    match call.func:
        case ast.Name(id=name) if name in ERRORS:
            return "raise"
        case ast.Attribute(value=ast.Name(id="log"), attr=name) if name in LOG_LEVELS:
            return "log"
        case ast.Attribute(attr="record" | "render" as name):
            return name
    return None


def find_literals(node: ast.AST) -> Iterator[str]:
    """Yield the strings that stand in `node`, those inside f-strings left out."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from find_literals(child)


def find_keys(first: ast.expr, scope: ast.AST) -> Iterator[str]:
    """Yield the keys that a call's first argument can be; a variable is followed through its function."""
    if isinstance(first, ast.Constant | ast.IfExp):
        yield from find_literals(first)
    elif isinstance(first, ast.Name):
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign) and any(
                isinstance(name, ast.Name) and name.id == first.id
                for target in node.targets
                for name in ast.walk(target)
            ):
                yield from (text for text in find_literals(node.value) if "." in text)


@cache
def find_sayings() -> tuple[Saying, ...]:
    """Return every place in the package that says something with a key that stands in the source."""
    return tuple(
        Saying(f"{path}:{call.lineno}", how, keys, read_facts(call, how))
        for path, tree in parse_package().items()
        for scope in tree.body
        for function in find_functions(scope)
        for call in find_calls(function)
        if (how := find_way(call)) and call.args and (keys := tuple(find_keys(call.args[0], function)))
    )


def find_functions(scope: ast.stmt) -> Iterator[ast.stmt]:
    """Yield a class's statements one by one, and anything else as it is: a variable's reach."""
    if isinstance(scope, ast.ClassDef):
        yield from scope.body
        yield from (ast.Expr(decorator) for decorator in scope.decorator_list)
    else:
        yield scope


def find_calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield each call in `node`."""
    yield from (child for child in ast.walk(node) if isinstance(child, ast.Call))


def read_facts(call: ast.Call, how: str) -> frozenset[str] | None:
    """Return the names of the facts that `call` gives; an intake that records adds its host."""
    names = [keyword.arg for keyword in call.keywords] + ["host"] * (how == "record")
    return None if None in names else frozenset(name for name in names if name)


def find_families() -> set[str]:
    """Return what stands before the first placeholder of each f-string: `state.` of f"state.{name}"."""
    return {
        text.values[0].value
        for tree in parse_package().values()
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        and text.values
        and isinstance(text.values[0], ast.Constant)
        and isinstance(text.values[0].value, str)
        and re.fullmatch(r"([a-z_]+\.)+", text.values[0].value)
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_exactly_the_keys_of_the_english_one(locale: str) -> None:
    assert set(ENGLISH) - set(STRINGS[locale]) == set(), "missing"
    assert set(STRINGS[locale]) - set(ENGLISH) == set(), "unknown in English"


def test_every_translation_has_the_placeholders_of_the_english_text() -> None:
    assert list(find_faults(ENGLISH, STRINGS)) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_blank(locale: str) -> None:
    assert [key for key, text in STRINGS[locale].items() if not text.strip()] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_file_of_a_language_is_sorted_so_that_changes_stay_small(locale: str) -> None:
    assert list(STRINGS[locale]) == sorted(STRINGS[locale])


@pytest.mark.parametrize("locale", LOCALES)
def test_every_code_that_people_meet_has_a_word_in_every_language(locale: str) -> None:
    tables = read_json("codes.json")
    wanted = {
        f"code.{table}.{row['code']}"
        for table, rows in tables.items()
        if table not in WORDLESS_TABLES
        for row in rows
    }
    assert {key for key in STRINGS[locale] if key.startswith("code.")} == wanted


@pytest.mark.parametrize("locale", LOCALES)
def test_the_words_of_a_code_table_differ(locale: str) -> None:
    alike = [
        (one, other)
        for one, other in find_alike(STRINGS[locale], "code.")
        if find_table(one) == find_table(other)
        if ONE_THING_BY_TWO_CODES.get(one) != other
    ]
    assert alike == []


@pytest.mark.parametrize("locale", LOCALES)
def test_what_has_two_words_in_english_has_two_in_every_language(locale: str) -> None:
    alike = [
        (one, other)
        for one, other in find_alike(STRINGS[locale], STATES_AND_EVENTS)
        if ENGLISH[one].casefold() != ENGLISH[other].casefold()
    ]
    assert alike == []


def find_alike(strings: dict[str, str], families: str | tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each two keys of `families` that read the same, capitals aside."""
    keys = sorted(key for key in strings if key.startswith(families))
    return [
        (one, other)
        for one, other in combinations(keys, 2)
        if strings[one].casefold() == strings[other].casefold()
    ]


def find_table(key: str) -> str:
    """Return the code table of `code.TABLE.CODE`."""
    return key.split(".")[1]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_command_has_a_sentence_in_every_language(locale: str) -> None:
    wanted = {f"command.{command['id']}" for command in read_json("commands.json")["commands"]}
    assert {key for key in STRINGS[locale] if key.startswith("command.")} == wanted


def test_every_parameter_has_a_sentence_of_its_own_or_one_shared_by_commands() -> None:
    keys = [
        (f"param.{command['id']}.{parameter['name']}", f"param.{parameter['name']}")
        for command in read_json("commands.json")["commands"]
        for parameter in command.get("params", ())
    ]
    assert [own for own, shared in keys if own not in ENGLISH and shared not in ENGLISH] == []
    assert {key for key in ENGLISH if key.startswith("param.")} <= {key for pair in keys for key in pair}


def test_every_key_that_the_source_names_has_an_english_text() -> None:
    assert find_sayings(), "nothing found in the source"
    named = {(saying.where, key) for saying in find_sayings() for key in saying.keys}
    named |= {
        (path, text)
        for path, tree in parse_package().items()
        for text in find_literals(tree)
        if re.fullmatch(r"error\.\w+", text)
    }
    assert sorted((where, key) for where, key in named if key not in ENGLISH) == []


def test_every_sentence_gets_the_facts_that_it_asks_for() -> None:
    lacking = [
        (saying.where, key, sorted(missing))
        for saying in find_sayings()
        if saying.facts is not None
        for key in saying.keys
        if (missing := find_placeholders(ENGLISH.get(key, "")) - saying.facts)
    ]
    assert lacking == []


def test_every_event_that_the_middleware_records_has_a_word() -> None:
    recorded = {key for saying in find_sayings() if saying.how == "record" for key in saying.keys}
    wanted = {f"system.{key.replace('.', '_')}" for key in recorded}
    assert {key for key in ENGLISH if key.startswith("system.")} == wanted


def test_no_text_is_there_that_nothing_says() -> None:
    literals = {text for tree in parse_package().values() for text in find_literals(tree)}
    recorded = {
        key.replace(".", "_") for saying in find_sayings() if saying.how == "record" for key in saying.keys
    }
    endings = literals | recorded
    families = find_families()
    unused = [
        key
        for key in ENGLISH
        if key not in literals
        and not key.startswith((*FROM_SEEDS, "page."))  # what the page says: tests/page
        and not any(key.startswith(family) and key.removeprefix(family) in endings for family in families)
    ]
    assert unused == []


def test_no_korean_particle_depends_on_what_is_filled_in() -> None:
    """Which of 을 and 를 is right depends on the last sound before it, which nobody knows of a value."""
    either = re.compile(
        r"[을이은과]\([를가는와]\)|\((?:으|이)\)(?:로|라|나)|(?<!\})\}[\"']?(?:[을를이가은는와과로]|으로|이?라|이?나)(?![가-힣])"
    )
    assert [key for key, text in STRINGS["ko-KR"].items() if either.search(text)] == []
