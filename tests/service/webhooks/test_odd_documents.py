"""What somebody wrote into MongoDB as nobody of ours would holds up no webhook."""

from hook_receiver import Receiver
from hook_scene import Scene
from odd_documents import ODD
from sites import wait_until

from ipecs_mw.store.applications.webhooks import add_webhook


def test_documents_that_are_none_of_ours_hold_up_no_webhook(scene: Scene, receiver: Receiver) -> None:
    topics = ["alarms", "calls", "state", "missed", "figures", "reports", "requests"]
    for name, form in (("plain", "standard"), ("clouds", "cloudevents"), ("crm", "generic")):
        add_webhook(
            scene.store,
            name,
            {"url": receiver.url, "topics": topics, "format": form},
            by="test",
            now=scene.clock.now(),
        )
    scene.start_ready()
    for collection, document in ODD:
        scene.store.database[collection].insert_one(dict(document))
    scene.begin("good")
    wait_until(
        lambda: (
            sum(b"main:good" in told.body and b"call.began" in told.body for told in list(receiver.told)) >= 3
        )
    )
