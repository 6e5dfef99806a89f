"""`ipecs-mw grant`, and the commands that then run with no more than was granted."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sites import PASSWORD, Site, is_up, ring, wait_until

from ipecs_mw.cli import cli
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.simulator import SimulatedHost

Invoke = Callable[..., Result]
SECRET = "canary-of-a-user"


@pytest.fixture
def granting(site: Site, invoke: Invoke) -> Iterator[Callable[[str], str]]:
    """Grant a role to a new user; return the path of a bootstrap file for it."""
    (site.folder / "password").write_text(f"{SECRET}\n")

    def give(role: str) -> str:
        result = invoke("grant", role, f"a {role}", "--password-file", str(site.folder / "password"))
        assert result.exit_code == 0, result.output
        assert SECRET not in result.output
        file = site.folder / f"{role}.json"
        uri = result.stdout.splitlines()[-1].replace("PASSWORD", SECRET)
        file.write_text(json.dumps({"mongo_uri": uri}))
        return str(file)

    yield give
    site.store.database.command("dropAllUsersFromDatabase")
    site.store.database.command("dropAllRolesFromDatabase")


def run(file: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--bootstrap", file, *arguments])


def test_daemon_sender_and_reader_do_their_work_with_their_roles_alone(
    site: Site, simulated: SimulatedHost, granting: Callable[[str], str]
) -> None:
    site.configure(simulated)
    daemon, sender, reader = (granting(role) for role in ("daemon", "sender", "reader"))
    (site.folder / "bootstrap.json").write_text(Path(daemon).read_text())
    process = site.start()
    wait_until(lambda: is_up(site), 60)
    simulated.send(ring(4711))
    wait_until(lambda: site.count(call_ref=4711), 60)
    sent = run(sender, "send", "call.make", "deviceNumber=1001", "calledDN=0123456")
    assert sent.exit_code == 0, (sent.output, sent.exception)
    listed = run(reader, "events", "--call", "4711", "--format", "jsonl")
    assert json.loads(listed.stdout.splitlines()[0])["type"] == "station_ring"
    assert run(reader, "status").exit_code == run(sender, "status").exit_code == 0
    assert run(reader, "migrate", "--status").exit_code == run(sender, "migrate", "--status").exit_code == 0
    for file, arguments in (
        (sender, ("events",)),
        (reader, ("send", "call.make")),
        (reader, ("config", "show")),
    ):
        refused = run(file, *arguments)
        assert refused.exit_code != 0
    process.terminate()
    assert process.wait(60) == 0


def test_a_command_that_no_daemon_took_is_expired_for_a_sender_too(
    site: Site, simulated: SimulatedHost, granting: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipecs_mw.store.coordination.sending._GRACE_SECONDS", 0.2)
    site.configure(simulated)
    arguments = ("send", "call.make", "deviceNumber=1001", "calledDN=0123456", "--timeout", "0.2")
    result = run(granting("sender"), *arguments)
    assert isinstance(result.exception, IpecsMwError)
    assert result.exception.key == "error.request_expired"


def test_a_new_user_without_a_password_is_refused_where_nobody_can_be_asked(
    site: Site, invoke: Invoke
) -> None:
    result = invoke("grant", "reader", "somebody")
    assert isinstance(result.exception, IpecsMwError)
    assert result.exception.key == "error.grant_password"
    assert PASSWORD not in result.output
