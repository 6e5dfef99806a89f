"""A secret is taken as given; what hardly belongs to it is named without showing it."""

import pytest

from ipecs_mw.model.configuration.settings import SecretSource
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.credentials import find_odd_sign, read_secret


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("canary ", "blank"),
        (" canary", "blank"),
        ("canary\r", "CR"),
        ("canary\n", "line break"),
        ('"canary"', "quotes"),
        ("'canary'", "quotes"),
        ("“canary”", "quotes"),
        ("can\tary", "tab"),
        ("\ufeffcanary", "byte-order mark"),
        ("canary\u00a0", "U+00A0"),
        ("cana\u200bry", "U+200B"),
    ],
)
def test_an_odd_sign_is_named(monkeypatch: pytest.MonkeyPatch, secret: str, says: str) -> None:
    monkeypatch.setenv("ODD", secret)
    assert read_secret(SecretSource(env="ODD"), "x", lambda *_: "") == secret
    sign = find_odd_sign(secret)
    assert sign is not None
    for locale in ("en-GB", "de-DE", "ko-KR"):
        assert "canary" not in str(shipped_texts(locale).say(sign))
    assert says in shipped_texts("en-GB").say(sign)


@pytest.mark.parametrize("secret", ["canary", "two words", "it's", '"', "büro", "비밀", "a'b"])
def test_a_plain_secret_is_not_odd(secret: str) -> None:
    assert find_odd_sign(secret) is None
