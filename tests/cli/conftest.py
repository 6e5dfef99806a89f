"""The command line in this process, on the seeded database of a `site`."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sites import Site

from ipecs_mw.cli import cli

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(site: Site) -> Invoke:
    """Run `ipecs-mw` with these arguments and, where given, this `input`."""
    options = ["--bootstrap", str(site.folder / "bootstrap.json"), "--state-dir", str(site.folder / "state")]

    def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - click's own name
        return CliRunner().invoke(cli, [*options, *arguments], input=input)

    return run
