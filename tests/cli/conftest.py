"""The command line in this process, on the seeded database of a `site`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from config_scene import Run
from sites import Site

from ipecs_mw.cli import cli
from ipecs_mw.store.server.connection import Store

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(site: Site) -> Invoke:
    """Run `ipecs-mw` with these arguments and, where given, this `input`."""
    options = ["--bootstrap", str(site.folder / "bootstrap.json"), "--state-dir", str(site.folder / "state")]

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - click's own name
        return CliRunner().invoke(cli, [*options, *arguments], input=input)

    return run


@pytest.fixture
def run_config(seeded: Store, mongo_uri: str, tmp_path: Path) -> Run:
    """Run `ipecs-mw config` with these arguments and, where given, what is `typed`."""
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps({"mongo_uri": mongo_uri}))
    options = ["--bootstrap", str(file), "config"]
    return lambda *arguments, typed=None: CliRunner().invoke(cli, [*options, *arguments], input=typed)
