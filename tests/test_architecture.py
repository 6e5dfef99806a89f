"""The house, proven over the syntax trees: who may import whom, and who owns what."""

import ast
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

import ipecs_mw

PACKAGE = Path(ipecs_mw.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
STEPS = sorted((PACKAGE.parent / "migrations").glob("*.py"))

LAYERS = (
    ("errors", "clock"),
    ("model",),
    ("seeds", "web", "outside", "log_sinks", "logs", "bootstrap"),
    ("protocol", "calls", "figures"),
    ("reports", "messages"),
    ("transport", "journal", "store", "api_following"),
    ("service", "client", "api_client", "api"),
    ("daemon",),
    ("cli",),
)
"""From the bottom to the top; a module imports from its own part or from below, never from beside or above."""

ROOMS = {
    "service": (
        "process",
        "intake",
        "setup",
        "health",
        "session",
        "readers",
        "reports",
        "webhooks",
        "requests",
        "doctor",
        "hosts",
    ),
    "calls": ("steps", "course", "joining", "documents"),
    "figures": ("time", "counting", "answers"),
    "store": (
        "server",
        "coordination",
        "schema",
        "configuration",
        "events",
        "calls",
        "figures",
        "applications",
    ),
    "simulator": ("wire", "pbx", "host"),
}
"""The rooms of a part, from the bottom to the top: a module imports from its own room or from those below."""

RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
SIMULATOR_MAY_IMPORT = {"simulator", "clock", "errors", "model", "seeds", "logs"}
OWNERS = {
    "requests": ("transport/rest.py", "api_client.py", "api_following.py"),
    "urllib3": ("transport/rest.py",),
    "websockets": ("transport/messages.py", "transport/stream.py"),
    "pymongo": ("store/",),
    "bson": ("store/",),
    "sqlite3": ("journal/",),
    "click": ("cli/",),
    "starlette": ("api/",),
    "uvicorn": ("api/server.py",),
    "prometheus_client": ("service/health/metrics.py", "api/metrics.py"),
}
CLOCK_READERS = {"now", "utcnow", "today"}


def name_of(module: Path) -> str:
    parts = module.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("ipecs_mw", *(parts[:-1] if parts[-1] == "__init__" else parts)))


NAMES = {name_of(module) for module in MODULES}


@cache
def read_tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


@cache
def find_imports(module: Path) -> Sequence[str]:
    """Return the absolute name of everything imported: modules, and names that are modules."""
    found = []
    for node in ast.walk(read_tree(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append(whole if whole in NAMES else str(node.module))
    return found


def part_of(name: str) -> str:
    """Return the part of the house: `ipecs_mw.store.coordination.leases` → `store`."""
    return name.split(".")[1] if "." in name else ""


def path_of(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_a_module_imports_only_from_its_own_part_or_from_below(module: Path) -> None:
    ours = part_of(name_of(module))
    if ours in ("", "simulator", "__main__"):
        return
    for name in find_imports(module):
        theirs = part_of(name)
        if not name.startswith("ipecs_mw.") or theirs in ("", ours):
            continue
        if ours == "cli" and theirs == "simulator":
            continue  # the commands simulate and demo
        assert theirs in RANK, f"{ours} imports {name}"
        is_below = RANK[theirs] < RANK[ours]
        is_beside = RANK[theirs] == RANK[ours] and ours in LAYERS[2]  # these three order themselves
        assert is_below or is_beside, f"{ours} imports {name}"


def room_of(name: str) -> str:
    """Return the room within its part: `ipecs_mw.store.server.mongod` → `server`."""
    return name.split(".")[2]


@pytest.mark.parametrize("part", ROOMS)
def test_every_module_of_a_part_with_rooms_stands_in_one_of_them(part: str) -> None:
    found = {path.name for path in (PACKAGE / part).iterdir() if path.name != "__pycache__"}
    assert found == {*ROOMS[part], "__init__.py"}


@pytest.mark.parametrize(
    "module", [m for m in MODULES if part_of(name_of(m)) in ROOMS and m.parent.parent != PACKAGE], ids=path_of
)
def test_a_module_imports_only_from_its_own_room_or_from_rooms_below(module: Path) -> None:
    name = name_of(module)
    rooms = ROOMS[part_of(name)]
    for other in find_imports(module):
        if other.startswith(f"ipecs_mw.{part_of(name)}."):
            assert rooms.index(room_of(other)) <= rooms.index(room_of(name)), f"{name} imports {other}"


@pytest.mark.parametrize("module", sorted((PACKAGE / "simulator").rglob("*.py")), ids=path_of)
def test_the_simulator_reads_the_vendor_s_facts_for_itself(module: Path) -> None:
    ours = {part_of(name) for name in find_imports(module) if name.startswith("ipecs_mw.")}
    assert ours - {""} <= SIMULATOR_MAY_IMPORT


@pytest.mark.parametrize(("package", "owners"), OWNERS.items())
def test_each_third_party_package_has_one_owner(package: str, owners: tuple[str, ...]) -> None:
    users = {
        path_of(module)
        for module in MODULES
        if any(name.split(".")[0] == package for name in find_imports(module))
        and not path_of(module).startswith("simulator/")
    }
    assert all(user.startswith(owners) for user in users), users


def test_migrations_know_pymongo_and_nothing_of_ours_that_may_change() -> None:
    for step in STEPS:
        assert {name.split(".")[0] for name in find_imports(step)} <= {
            "typing",
            "pymongo",
            "bson",
            "datetime",
        }


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {name_of(module): set(find_imports(module)) & NAMES for module in MODULES}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in edges[name] - {name}:
                visit(other, (*above, name))
            done.add(name)

    for name in edges:
        visit(name, ())


@pytest.mark.parametrize("module", [m for m in MODULES if path_of(m) != "clock.py"], ids=path_of)
def test_only_the_clock_reads_a_clock_or_waits(module: Path) -> None:
    assert "time" not in {name.split(".")[0] for name in find_imports(module)}
    for node in ast.walk(read_tree(module)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READERS:
            owner = ast.unparse(node.value)
            assert not owner.endswith(("datetime", "date")), f"line {node.lineno}: {owner}.{node.attr}"


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_a_module_says_what_it_owns_and_is_not_two(module: Path) -> None:
    assert ast.get_docstring(read_tree(module)), "no docstring"
    assert len(module.read_text("utf-8").splitlines()) <= 400
