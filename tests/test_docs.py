"""The documentation says what the code does: tables, options, settings and links."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
from msgspec import inspect
from support import FakeClock

from ipecs_mw.cli import cli
from ipecs_mw.model.configuration.settings import EventSettings, Settings
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import Retention, apply_retention
from ipecs_mw.store.server.connection import Store, open_client
from ipecs_mw.store.server.embedded import Embedded

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def read_all() -> str:
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def find_anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def walk_commands(command: click.Command, path: str = "ipecs-mw") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk_commands(child, f"{path} {name}")


def walk_settings(kind: inspect.Type, path: str = "") -> Iterator[str]:
    """Yield the path of every setting, such as `hosts[].tls.verify`."""
    kind = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(kind, inspect.ListType):
        yield from walk_settings(kind.item_type, f"{path}[]")
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            name = f"{path}.{field.encode_name}".lstrip(".")
            below = list(walk_settings(field.type, name))
            yield from below or [name]


def test_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate.py"), "--check"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run: python docs/generate.py\n{done.stdout}{done.stderr}"


def test_every_command_and_every_option_is_in_the_docs() -> None:
    docs = read_all()
    for path, command in walk_commands(cli):
        section = docs.partition(f"### {path}\n")[2].partition("\n### ")[0]
        assert section, f"{path} is not in the docs"
        for parameter in command.params:
            for name in parameter.opts if isinstance(parameter, click.Option) else ():
                assert f"`{name}`" in section, f"{path} {name} is not in the docs"


def test_every_setting_is_in_the_docs() -> None:
    page = (ROOT / "docs/configuration.md").read_text("utf-8")
    settings = list(walk_settings(inspect.type_info(Settings)))
    assert "hosts[].tls.verify" in settings
    assert [name for name in settings if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in find_anchors(target), link


def test_the_rights_that_docker_compose_gives_are_enough(
    mongo: Embedded, store: Store, clock: FakeClock
) -> None:
    roles = re.findall(r'role: "(\w+)", db: "ipecs_mw"', (ROOT / "contrib/mongo/user.js").read_text("utf-8"))
    name = store.database.name
    store.client.admin.command(
        "createUser", name, pwd="given", roles=[{"role": role, "db": name} for role in roles]
    )
    uri = f"mongodb://{name}:given@127.0.0.1:{mongo.access.port}/{name}?authSource=admin"
    with closing(open_client(uri, "test")) as restricted:
        migrate(restricted, clock)
        apply(restricted, plan(restricted, read_seeds(None), "default"), clock, "test")
        for days in (30, 365, None):
            apply_retention(restricted, "default", Retention(EventSettings(retention_days=days)))
        with restricted.database["requests"].watch() as stream:
            assert stream.try_next() is None
    store.client.admin.command("dropUser", name)
