"""What is secret of a webhook goes to whom it was given for, and to nobody else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.service.webhooks.active import Active, make_active
from ipecs_mw.store.applications.webhook_secrets import load_hidden
from ipecs_mw.store.applications.webhooks import add_webhook, change_webhook
from ipecs_mw.store.server.connection import Store

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
KEY = "key-of-the-crm"


def never(_: str) -> str:
    raise AssertionError


def activate(store: Store, name: str) -> Active:
    document = store.database["webhooks"].find_one({"_id": name}) or {}
    return make_active(document, load_hidden(store, name), NumberSettings(), never, NOW)


def add(store: Store, form: str, url: str, **variables: Any) -> None:
    fields = {"url": url, "topics": ["calls"], "format": form, "variables": variables}
    add_webhook(store, "crm", fields, by="test", now=NOW)


def change(store: Store, **fields: Any) -> None:
    change_webhook(store, "crm", fields, by="token:other", now=NOW)


ELSEWHERE = {"url": "https://elsewhere.example.com/take"}
OTHER_FORMAT = {
    "format": {
        "variables": {"token": {"is_secret": True, "is_required": True}},
        "steps": [
            {
                "name": "x",
                "on": ["call.ended"],
                "url": "https://elsewhere.example.com/",
                "json": {"t": "{var.token}"},
            }
        ],
    }
}


@pytest.mark.parametrize("changes", [ELSEWHERE, OTHER_FORMAT], ids=["another server", "another format"])
def test_a_secret_variable_is_not_sent_elsewhere(migrated: Store, changes: dict[str, Any]) -> None:
    add(migrated, "hubspot-log", "https://api.hubapi.com", token=KEY)
    assert KEY in str(activate(migrated, "crm").target)
    change(migrated, **changes)
    with pytest.raises(InvalidDocument) as refused:
        activate(migrated, "crm")
    assert refused.value.facts["path"] == "variables.token"
    change(migrated, variables={"token": "another key"})  # given anew
    assert KEY not in str(activate(migrated, "crm").target)


def test_a_url_that_lets_its_holder_in_is_not_sent_to_another_format(migrated: Store) -> None:
    add(migrated, "zammad", "https://crm.example.com/api/v1/cti/TOKEN")
    assert "TOKEN" in str(activate(migrated, "crm").target)
    change(migrated, format="generic")
    with pytest.raises(InvalidDocument) as refused:
        activate(migrated, "crm")
    assert refused.value.facts["path"] == "url"


def test_another_topic_leaves_what_was_given(migrated: Store) -> None:
    add(migrated, "hubspot-log", "https://api.hubapi.com", token=KEY)
    change(migrated, topics=["calls", "missed"])
    assert KEY in str(activate(migrated, "crm").target)
