"""From the README alone to a running daemon, on a MongoDB that asks for passwords."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sites import PASSWORD, Site, is_up, wait_until

from ipecs_mw.bootstrap import find_bootstrap
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.schema.examination import STORED
from ipecs_mw.store.server.embedded import Embedded

ROOT = Path(__file__).parent.parent
MONGO_PASSWORD = "canary-of-the-page"


class Page:
    """The blocks of the step of the README that leads to MongoDB, with the names of this test in them."""

    def __init__(self, site: Site, mongo: Embedded, folder: Path) -> None:
        text = (ROOT / "README.md").read_text("utf-8")
        step = text.split("**Name your MongoDB.**")[1].split("**Configure the program.**")[0]
        name = site.store.database.name
        names = {
            "/etc/ipecs-mw": str(folder),
            "127.0.0.1:27017": f"127.0.0.1:{mongo.access.port}",
            "replicaSet=rs0": f"replicaSet={mongo.access.replica_set}",
            ":PASSWORD@": f":{MONGO_PASSWORD}@",
            "authSource=ipecs_mw": f"authSource={name}",
            '"ipecs_mw"}': f'"{name}"}}',
            "/ipecs_mw?": f"/{name}?",
            "//ipecs_mw:": f"//user_{name}:",
            'user: "ipecs_mw"': f'user: "user_{name}"',
            "daemon ipecs_mw": f"daemon user_{name}",
            "ADMIN:ADMIN_PASSWORD": f"{mongo.access.user}:{mongo.access.password}",
        }
        for written, meant in names.items():
            assert written in step, written
            step = step.replace(written, meant)
        self.blocks = re.findall(r"```(sh|json|js)\n(.*?)```", step, re.DOTALL)

    def find(self, kind: str) -> list[str]:
        return [content for found, content in self.blocks if found == kind]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "etc"


@pytest.fixture
def page(site: Site, mongo: Embedded, folder: Path) -> Iterator[Page]:
    yield Page(site, mongo, folder)
    site.store.database.command("dropAllUsersFromDatabase")
    site.store.database.command("dropAllRolesFromDatabase")
    for user in site.store.client.admin.command("usersInfo", f"user_{site.store.database.name}")["users"]:
        site.store.client.admin.command("dropUser", user["user"])


def shell(block: str) -> str:
    """Run a block with the `ipecs-mw` of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", block],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def grant(page: Page, folder: Path) -> str:
    admin, own, _ = page.find("json")
    (folder / "admin.json").write_text(admin)
    (folder / "mongo-password").write_text(f"{MONGO_PASSWORD}\n")
    said = shell(page.find("sh")[1])
    uri: str = json.loads(own)["mongo_uri"]
    assert uri.replace(MONGO_PASSWORD, "PASSWORD") in said, "the page and the command name the same URI"
    return own


def create_user(page: Page, site: Site) -> str:
    (block,) = page.find("js")
    user = re.search(r'user: "([^"]+)"', block)
    roles = re.findall(r'\{role: "(\w+)", db: "(\w+)"\}', block)
    assert user
    assert roles
    assert 'getSiblingDB("admin").createUser' in block
    given = [{"role": role, "db": name} for role, name in roles]
    site.store.client.admin.command("createUser", user[1], pwd=MONGO_PASSWORD, roles=given)
    return page.find("json")[2]


WAYS: dict[str, Callable[[Page, Site, Path], str]] = {
    "grant": lambda page, _, folder: grant(page, folder),
    "MongoDB's own means": lambda page, site, _: create_user(page, site),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_readme_leads_to_a_daemon_that_runs(
    site: Site, page: Page, simulated: SimulatedHost, folder: Path, way: str
) -> None:
    shell(page.find("sh")[0])
    assert folder.stat().st_mode & 0o77 == 0
    bootstrap = WAYS[way](page, site, folder)
    (folder / "bootstrap.json").write_text(bootstrap)
    (site.folder / "bootstrap.json").write_text(bootstrap)  # as IPECS_MW_BOOTSTRAP names it
    database = site.store.database
    for name in database.list_collection_names(filter=STORED):
        database.drop_collection(name)
    seeded = site.run("seed")
    assert seeded.returncode == 0, seeded.stderr
    site.configure(simulated)
    checked = site.run("check", "--no-login", "--format", "json")
    findings: list[dict[str, Any]] = json.loads(checked.stdout)
    assert [found for found in findings if found["level"] == "error"] == []
    assert {"rights", "schema"} <= {found["check"] for found in findings}
    site.start()
    wait_until(lambda: is_up(site), 60)
    assert PASSWORD not in checked.stdout


def test_the_page_exports_the_variable_that_is_read(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = re.search(r"export (\w+)=(\S+)", page.find("sh")[0])
    assert exported
    monkeypatch.setenv(exported[1], exported[2])
    assert find_bootstrap(None) == Path(exported[2])


def test_the_bootstrap_that_git_follows_holds_no_password() -> None:
    content = json.loads((ROOT / "bootstrap.json").read_text("utf-8"))
    assert "@" not in content["mongo_uri"]
