"""`ipecs-mw webhook` as people use it."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from hook_receiver import Said, serve_hooks
from hook_scene import build_call
from sites import Site, wait_until
from standardwebhooks import Webhook

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.settings import save_settings

Invoke = Callable[..., Result]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "canary-token-of-a-crm"


def test_a_webhook_is_added_shown_paused_and_removed_and_its_secrets_are_shown_once(invoke: Invoke) -> None:
    added = invoke("webhook", "add", "crm", "https://crm.example/hook?key=abc", "--topic", "calls")
    assert added.exit_code == 0, added.output
    secret = added.stdout.splitlines()[-1]
    assert secret.startswith("whsec_")
    given = invoke(
        "webhook", "add", "vt", "https://vt.example", "--topic", "calls", "--format", "vtiger",
        "--secret", "-", "--set", "signature=-", "--group", "620", input=f"{SECRET}\n{TOKEN}\n",
    )  # fmt: skip
    assert given.exit_code == 0, given.output
    shown = invoke("webhook", "list").output + invoke("webhook", "list", "--format", "json").output
    shown += invoke("webhook", "show", "vt").output + given.output
    assert "620" in shown
    for hidden in (secret, SECRET, TOKEN, "key=abc"):
        assert hidden not in shown
    assert invoke("webhook", "pause", "crm").exit_code == 0
    assert json.loads(invoke("webhook", "show", "crm").stdout)["state"] == "paused"
    assert invoke("webhook", "resume", "crm").exit_code == 0
    assert invoke("webhook", "rotate", "crm").stdout.startswith("whsec_")
    assert invoke("webhook", "remove", "crm").exit_code == 0
    assert "zammad" in invoke("webhook", "presets").output
    assert json.loads(invoke("webhook", "presets", "zammad").stdout)["numbers"] == "digits"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("add", "x", "ftp://a", "--topic", "calls"), "url"),
        (("add", "x", "http://u:p@a/", "--topic", "calls"), "url"),
        (("add", "a b", "http://a", "--topic", "calls"), "_id"),
        (("add", "x", "http://a", "--topic", "calls", "--format", "sugar"), "format"),
        (("add", "x", "http://a", "--topic", "calls", "--format", "vtiger"), "variables.signature"),
        (("add", "x", "http://a", "--topic", "calls", "--set", "y=1"), "variables.y"),
        (("show", "nobody"), "nobody"),
        (("replay", "nobody"), "nobody"),
    ],
)
def test_wrong_input_is_refused_with_the_name_of_the_field(
    invoke: Invoke, arguments: tuple[str, ...], named: str
) -> None:
    result = invoke("webhook", *arguments)
    assert isinstance(result.exception, IpecsMwError)
    assert named in f"{result.exception.facts}"


def test_a_secret_on_the_command_line_is_refused(invoke: Invoke) -> None:
    result = invoke("webhook", "add", "x", "http://a", "--topic", "calls", "--secret", SECRET)
    assert isinstance(result.exception, IpecsMwError)
    assert result.exception.key == "error.secret_on_command_line"


def configure(site: Site) -> None:
    content = read_json("config.json")
    content["hosts"] = []
    content["webhooks"] = {"allow_private": True, "timeout_seconds": 5}
    save_settings(site.store, "default", content, "test", at=SystemClock().now())


def test_a_daemon_sends_tests_replays_and_says_how_it_stands(site: Site, invoke: Invoke) -> None:
    configure(site)
    site.start()
    with serve_hooks() as receiver:
        secret = invoke("webhook", "add", "crm", receiver.url, "--topic", "calls").stdout.splitlines()[-1]
        tested = invoke("webhook", "test", "crm")
        assert tested.exit_code == 0, tested.output
        Webhook(secret).verify(receiver.told[0].body, receiver.told[0].headers)
        site.store.database["calls"].insert_one(build_call("1"))
        receiver.wait(2)
        wait_until(
            lambda: "call.began" in invoke("webhook", "deliveries", "crm", "--state", "delivered").output
        )
        replayed = invoke("webhook", "replay", "crm", "--all")
        assert replayed.exit_code == 0, replayed.output
        receiver.wait(4)
        receiver.answer = lambda _: Said(500, secret.encode())
        failed = invoke("webhook", "test", "crm")
        assert failed.exit_code == 1
        assert "500" in failed.output
    assert secret not in site.logged()
