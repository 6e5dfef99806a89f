"""What is deployed fits the program: unit, image, compose file, dashboard, alerts; tools judge where they are."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from sites import Site, wait_until

from ipecs_mw.api.metrics import METRICS as API_METRICS
from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import parse_settings
from ipecs_mw.service.health.metrics import METRICS
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import open_client
from ipecs_mw.store.server.mongod import ADDRESS, find_free_port, start_mongod

ROOT = Path(__file__).parent.parent
CONTRIB = ROOT / "contrib"
UNITS = ("ipecs-mw.service", "ipecs-mw-serve.service")
MONGOSH = Path(os.environ.get("IPECS_MW_MONGOSH") or ROOT / ".cache/mongosh/node_modules/.bin/mongosh")


def need(tool: str) -> str:
    """Return the path of a tool; skip the test where it is not installed."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return found


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit, with a program that is there."""
    file = tmp_path / request.param
    text = (CONTRIB / "systemd" / request.param).read_text()
    file.write_text(text.replace("/opt/ipecs-mw/bin/ipecs-mw", "/bin/true"))
    return file


def test_systemd_accepts_every_line_of_the_unit(unit: Path) -> None:
    judged = run(need("systemd-analyze"), "verify", "--man=no", str(unit))
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def test_systemd_finds_the_unit_hardly_exposed(unit: Path) -> None:
    judged = run(need("systemd-analyze"), "security", "--offline=true", "--threshold=15", str(unit))
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def hear(systemd: socket.socket, word: str) -> str:
    """Return the first message that has a word."""
    while word not in (message := systemd.recv(1000).decode()):
        pass
    return message


def test_the_daemon_tells_systemd_when_it_is_ready_alive_and_stopping(
    site: Site, simulated: SimulatedHost, systemd: socket.socket, tmp_path: Path
) -> None:
    site.configure(simulated)
    process = site.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert "READY=1" in hear(systemd, "READY")
    alive = hear(systemd, "1 of 1 sessions connected")
    assert alive.splitlines()[1:] == ["WATCHDOG=1"]
    process.send_signal(signal.SIGTERM)
    assert hear(systemd, "STOPPING") == "STOPPING=1"
    assert process.wait(60) == 0


def test_compose_accepts_the_file_with_and_without_the_demo() -> None:
    tool = need("docker-compose")
    environment = {**os.environ, "SITE": "./contrib/demo-site"}
    for profile in ([], ["--profile", "demo"]):
        done = run(tool, "-f", str(ROOT / "docker-compose.yml"), *profile, "config", "-q", env=environment)
        assert (done.returncode, done.stderr) == (0, "")


def test_no_password_stands_in_the_environment_of_a_container() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"^ +(\w*PASS\w*):", text, re.MULTILINE) == ["MONGO_INITDB_ROOT_PASSWORD_FILE"]
    assert "secrets" in (ROOT / ".gitignore").read_text()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*", "secrets could get into the image"


def test_the_secrets_are_made_once_and_only_their_owner_can_reach_them(tmp_path: Path) -> None:
    (tmp_path / "contrib").mkdir()
    script = shutil.copy(CONTRIB / "make-secrets.sh", tmp_path / "contrib")
    assert run("sh", script, input="host's secret\n").returncode == 0
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert made["ipecs_password"] == "host's secret\n"
    assert f"ipecs_mw:{made['mongo_password']}@mongo" in json.loads(made["bootstrap.json"])["mongo_uri"]
    assert re.fullmatch(r"[\w-]{32}", made["mongo_root_password"])
    assert run("sh", script, input="another\n").returncode == 0
    assert {file.name: file.read_text() for file in folder.iterdir()} == made


def test_the_demo_site_is_a_valid_configuration() -> None:
    content = json.loads((CONTRIB / "demo-site/config.json").read_text())
    assert parse_settings(content, source="demo-site").hosts[0].address == "simulated"


@pytest.mark.skipif(not MONGOSH.exists(), reason=f"no mongosh at {MONGOSH} (make test installs it with npm)")
@pytest.mark.skipif(shutil.which("node") is None, reason="no node, which mongosh needs")
def test_the_scripts_of_the_mongo_container_make_a_replica_set_that_the_daemon_can_use(
    tmp_path: Path,
) -> None:
    """As the image does: a first server without authentication for the accounts, then the real one."""
    port = find_free_port()
    for name, secret in (("mongo_root_password", "root/secret\n"), ("mongo_password", "own-secret")):
        (tmp_path / name).write_text(secret)
    scripts = {}
    for script in CONTRIB.glob("mongo/*.js"):
        text = script.read_text().replace("/run/secrets/", f"{tmp_path}/").replace("27017", str(port))
        scripts[script.name] = tmp_path / script.name
        scripts[script.name].write_text(text)
    (tmp_path / "keyfile").write_text("k" * 100)
    (tmp_path / "keyfile").chmod(0o600)
    (tmp_path / "data").mkdir()
    lock = tmp_path / "data/mongod.lock"
    assert start_mongod(tmp_path, ["--port", str(port)], seconds=60) == 0
    try:
        with closing(MongoClient[Any]("127.0.0.1", port)) as client:
            client.admin.command("createUser", "root", pwd="root/secret", roles=["root"])
        made = run(str(MONGOSH), "--quiet", "--port", str(port), "--file", str(scripts["user.js"]))
        assert made.returncode == 0, made.stdout + made.stderr
        stop_mongod(lock)
        options = ["--port", str(port), "--replSet", "rs0", "--keyFile", str(tmp_path / "keyfile")]
        assert start_mongod(tmp_path, options, seconds=60) == 0
        health = (str(MONGOSH), "--quiet", "--nodb", "--file", str(scripts["health.js"]))
        wait_until(lambda: run(*health).returncode == 0, 90)
        uri = (
            f"mongodb://ipecs_mw:own-secret@{ADDRESS}:{port}/ipecs_mw?authSource=admin&directConnection=true"
        )
        with closing(open_client(uri, "test")) as store:
            assert store.has_change_streams
            migrate(store, SystemClock())
            apply(store, plan(store, read_seeds(None), "default"), SystemClock(), "test")
    finally:
        stop_mongod(lock)


def stop_mongod(lock: Path) -> None:
    """Stop a server and wait until it has ended."""
    number = lock.read_text().strip()
    if number:
        os.kill(int(number), signal.SIGTERM)
        wait_until(lambda: not lock.read_text().strip(), 60)


def find_metrics(text: str) -> set[str]:
    return set(re.findall(r"\bipecs_mw_\w+", text))


def known_metrics() -> set[str]:
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    return {
        metric.name + suffix
        for metric in (*METRICS, *API_METRICS)
        for suffix in suffixes.get(metric.kind, ("",))
    }


BOARDS = ("grafana/ipecs-mw.json", "grafana/ipecs-mw-groups.json")


@pytest.mark.parametrize("file", [*BOARDS, "prometheus/alerts.yml"])
def test_dashboards_and_alerts_ask_for_metrics_that_there_are(file: str) -> None:
    asked = find_metrics((CONTRIB / file).read_text())
    assert len(asked) > 5
    assert asked <= known_metrics(), asked - known_metrics()


def test_alerts_fire_when_they_should() -> None:
    judged = run(need("promtool"), "test", "rules", str(ROOT / "tests/fixtures/alerts.yml"))
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize("file", BOARDS)
def test_a_dashboard_has_its_panels_beside_each_other_and_names_of_its_own(file: str) -> None:
    board = json.loads((CONTRIB / file).read_text())
    assert board["uid"] == Path(file).stem
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    known = {f"${variable['name']}" for variable in board["templating"]["list"]}
    asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert set(re.findall(r"\$\w+", asked)) <= {*known, "$__rate_interval"}


@pytest.mark.parametrize("file", BOARDS)
def test_prometheus_understands_every_question_of_a_dashboard(file: str, tmp_path: Path) -> None:
    board = json.loads((CONTRIB / file).read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [
        {
            "record": f"asked:{index}",
            "expr": expr.replace("$__rate_interval", "5m").replace("$host", ".*").replace("$group", ".*"),
        }
        for index, expr in enumerate(asked)
    ]
    # JSON is YAML
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    judged = run(need("promtool"), "check", "rules", str(tmp_path / "rules.yml"))
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_systemd_is_told_what_a_start_waits_for(site: Site, systemd: socket.socket, tmp_path: Path) -> None:
    (site.folder / "bootstrap.json").write_text(
        json.dumps({"mongo_uri": f"mongodb://127.0.0.1:{find_free_port()}"})
    )
    process = site.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert "MongoDB" in hear(systemd, "STATUS")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
