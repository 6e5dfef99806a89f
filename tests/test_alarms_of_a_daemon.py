"""An emergency call, as a phone system tells of it, is an event, a line of `status` and a mail a moment later."""

import json

from mail_server import serve_mail
from sites import Site, is_up, wait_until
from test_calls_of_a_daemon import acd
from test_metrics import read_metrics

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import BOOKKEEPING
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.settings import save_settings
from ipecs_mw.store.server.mongod import find_free_port


def configure(site: Site, simulated: SimulatedHost, port: int, health: int) -> None:
    site.configure(simulated)
    found = site.store.database["config"].find_one({"_id": "default"}) or {}
    content = {name: each for name, each in found.items() if name not in BOOKKEEPING}
    content["mail"] = {
        "server": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "pbx@example.com",
    }
    content["health"] = {"port": health}
    content["figures"] = {"metrics": ["620"]}
    content["numbers"] = {"country": "65", "trunk_prefix": "9"}
    content["alarms"] = [
        {"name": "emergency", "when": "emergency_call", "to": ["guard@example.com"]},
        {"name": "queue", "when": "waiting", "more_than_calls": 0},
    ]
    save_settings(site.store, "default", content, "test", at=SystemClock().now())


def test_an_emergency_call_and_a_waiting_caller_are_told_at_once(
    site: Site, simulated: SimulatedHost
) -> None:
    with serve_mail() as (box, port):
        health = find_free_port()
        configure(site, simulated, port, health)
        site.start()
        wait_until(lambda: is_up(site))
        simulated.send(acd(41, 7, "1001", "CO001"))
        simulated.send(acd(67, 7, "1001", "CO001", data2="9995"))
        simulated.send(acd(3, 8, "CO002", "620", data1="620", data2="5"))
        simulated.send(acd(62, 8, "CO002", data1="620"))
        (mail,) = wait_until(lambda: list(box.mails))
        assert mail["Subject"] == "Alarm emergency: station 1001 called the emergency number 9995"
        wait_until(lambda: site.count(type="alarm_raised") == 2)
        said = site.run("status").stdout
        assert "ALARM emergency, host0, since " in said
        assert "ALARM queue, host0, since " in said
        group = (("group", "620"), ("host", "host0"))
        wait_until(lambda: read_metrics(health).get(("ipecs_mw_group_waiting_calls", group)) == 1)
        assert read_metrics(health)["ipecs_mw_group_longest_wait_seconds", group] >= 0
        simulated.send(acd(44, 7, "1001", "CO001", data1="1", data2="13"))
        simulated.send(acd(2, "", "CO001"))
        wait_until(lambda: len(box.mails) == 2)
        assert str(box.mails[1]["Subject"]).startswith("Over: emergency")
        ended = site.run("events", "--type", "alarm_ended", "--format", "jsonl").stdout.splitlines()
        assert [json.loads(line)["data"]["rule"] for line in ended] == ["emergency"]
        assert len(box.mails) == 2
