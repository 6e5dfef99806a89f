"""Numbers that the configuration names are never stored in full, whatever way they come."""

import json

from sites import Site, is_up, ring, wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.simulator import SimulatedHost
from ipecs_mw.store.configuration.settings import content_of, load_document, save_settings

NUMBER = "01717654321"
RULE = {"pattern": "0????*", "keep": 2}


def call_event(reference: int) -> str:
    data = {"type": "ringing", "deviceNumber": "1001", "callRefID": reference, "callingDN": NUMBER}
    return json.dumps({"event": "call", "data": data})


def set_masks(site: Site, rules: list[dict[str, object]]) -> None:
    content = content_of(load_document(site.store, "default") or {})
    content["events"] = {"mask_numbers": rules}
    save_settings(site.store, "default", content, "test", at=SystemClock().now())


def test_a_named_number_is_stored_masked_in_every_kind_of_event(site: Site, simulated: SimulatedHost) -> None:
    site.configure(simulated)
    set_masks(site, [RULE])
    site.start()
    wait_until(lambda: is_up(site), 60)
    simulated.send(call_event(7))
    simulated.send(json.dumps({"event": "novel", "data": {"some": NUMBER}}))
    simulated.send(f'{{"callingDN": "{NUMBER}"'.encode())
    simulated.send(ring(8))
    wait_until(lambda: site.count(call_ref=8), 60)
    stored = list(site.store.database["events"].find({"host": "host0"}))
    assert NUMBER not in repr(stored)
    [event] = [event for event in stored if event.get("call_ref") == 7]
    assert event["data"]["calling_dn"] == event["raw"]["data"]["callingDN"] == "***21"
    assert {event["kind"] for event in stored if "***21" in repr(event)} == {"call", "unknown", "undecodable"}


def test_a_rule_that_comes_while_the_daemon_runs_holds_from_then_on(
    site: Site, simulated: SimulatedHost
) -> None:
    site.configure(simulated)
    site.start()
    wait_until(lambda: is_up(site), 60)
    simulated.send(call_event(7))
    wait_until(lambda: site.count(call_ref=7), 60)
    set_masks(site, [RULE])
    instances = site.store.database["instances"]
    wait_until(lambda: instances.find_one({"revision": 3}), 60)
    simulated.send(call_event(9))
    wait_until(lambda: site.count(call_ref=9), 60)
    events = site.store.database["events"]
    assert NUMBER in repr(events.find_one({"call_ref": 7}))
    assert NUMBER not in repr(events.find_one({"call_ref": 9}))
