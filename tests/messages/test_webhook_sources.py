"""Who may write webhooks is not thereby given the secrets of the daemon's machine."""

from typing import Any

import pytest

from ipecs_mw.errors import InvalidDocument
from ipecs_mw.messages.webhook import parse_webhook

HOOK = {"_id": "crm", "url": "https://crm.example.com/", "topics": ["calls"]}


@pytest.mark.parametrize("source", [{"file": "/etc/passwd"}, {"env": "IPECS_PASSWORD"}, {"env": "PATH"}])
def test_other_secrets_of_the_daemon_are_out_of_reach(source: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument) as refused:
        parse_webhook({**HOOK, "secret": source})
    assert refused.value.facts["path"].startswith("secret.")
    with pytest.raises(InvalidDocument):
        parse_webhook({**HOOK, "format": "zammad", "variables": {"token": source}})


def test_a_secret_of_webhooks_may_be_kept_in_the_environment() -> None:
    assert parse_webhook({**HOOK, "secret": {"env": "IPECS_MW_WEBHOOK_CRM"}}).url == HOOK["url"]
