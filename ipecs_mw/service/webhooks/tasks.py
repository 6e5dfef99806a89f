"""What people ask the sender for: a test, which is sent at once, and deliveries that are sent again."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ipecs_mw.errors import WebhookNotSent
from ipecs_mw.messages.formats.requests import Told, build_request, find_step, list_steps
from ipecs_mw.service.webhooks.active import Active
from ipecs_mw.service.webhooks.lane import Tools, describe_try, is_taken
from ipecs_mw.service.webhooks.making import spell_order
from ipecs_mw.store.applications.deliveries import (
    Delivery,
    Noted,
    State,
    keep_deliveries,
    name_delivery,
    note_all,
    send_again,
)
from ipecs_mw.store.applications.feed import find_place_now
from ipecs_mw.store.applications.webhook_tasks import end_task
from ipecs_mw.store.server.connection import Store

_TEST = "test"


def carry_out(
    store: Store, tools: Tools, task: Mapping[str, Any], active: Active | None, problem: str
) -> None:
    """Do what a task asks for, and note what became of it. Raises StoreError."""
    if task["what"] == "replay":
        now = tools.clock.now()
        count = send_again(
            store,
            task["webhook"],
            now,
            ids=task.get("ids") or (),
            since=task.get("since"),
            everything=bool(task.get("everything")),
        )
        end_task(store, task, {"count": count})
    elif active is None:
        end_task(store, task, {"error": problem or tools.texts().render("webhook.gone_meanwhile")})
    else:
        end_task(store, task, _send_test(store, tools, active, str(task["_id"])))


def _send_test(store: Store, tools: Tools, active: Active, task: str) -> Mapping[str, Any]:
    """Send a test, which is in the log of deliveries like any other; return what became of it."""
    now = tools.clock.now()
    data = {"webhook": active.name, "sent_at": now}
    step = next(list_steps(active.target, _TEST, data), None)
    if step is None:
        return {"error": tools.texts().render("webhook.no_test")}
    id_ = name_delivery(active.name, task, "", _TEST, step)
    order = f"{spell_order(find_place_now(store, tools.clock))}:test"
    delivery = Delivery(
        id_, active.name, order, _TEST, "", now, data, next_at=now + timedelta(days=1), step=step
    )
    keep_deliveries(store, [delivery])
    told = Told(id_, _TEST, now, "", data, step)
    request = build_request(active.target, told, {}, int(now.timestamp()))
    receiver, settings = tools.make_receiver(), tools.read()
    began, answer, problem = tools.clock.monotonic(), None, ""
    try:
        answer = receiver.send(
            request.method,
            request.url,
            request.headers,
            request.body,
            seconds=float(settings.timeout_seconds),
            allow_private=settings.allow_private,
        )
    except WebhookNotSent as error:
        problem = tools.texts().explain(error)
    finally:
        receiver.close()
    tried = describe_try(active, answer, problem, now, tools.clock.monotonic() - began)
    has_taken = is_taken(find_step(active.target, step), answer)
    end = now + timedelta(days=settings.keep_days)
    state: State = "delivered" if has_taken else "set_aside"
    note_all(store, [Noted(delivery, state, tried=tried, reason=tried.error, at=now, delete_at=end)])
    found = {
        "id": id_,
        "is_delivered": has_taken,
        "status": tried.status,
        "error": tried.error,
        "answer": tried.answer,
    }
    return {name: value for name, value in found.items() if value not in (None, "")} | {
        "duration_seconds": tried.duration_seconds
    }
