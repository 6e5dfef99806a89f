"""Where a number stands in a document, and where it only looks so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.configuration.settings import NumberMask
from ipecs_mw.model.numbering.masking import erase_number, mask_numbers, replace_number


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0123456", "***"),
        ("  0123456 ", "  *** "),
        ("sip:0123456@pbx", "sip:***@pbx"),
        ("90123456", "90123456"),
        ("01234567", "01234567"),
        (["1001", "0123456"], ["1001", "***"]),
        ({"result": [{"0123456": "OK"}]}, {"result": [{"***": "OK"}]}),
        ({"callRefID": "0123456", "callingDN": "0123456"}, {"callRefID": "0123456", "callingDN": "***"}),
        (b'{"callingDN": "0123456"', b'{"callingDN": "***"'),
        (b"00123456", b"00123456"),
        (None, None),
        (True, True),
    ],
)
def test_a_number_is_masked_where_it_stands_whole(value: Any, expected: Any) -> None:
    assert replace_number(value, "0123456") == expected


def test_a_short_number_is_only_a_whole_value() -> None:
    assert replace_number(["1001", "at 1001", 1001, 10010], "1001") == ["***", "at 1001", "***", 10010]


def mask(document: dict[str, Any], *rules: NumberMask) -> dict[str, Any]:
    return mask_numbers({"kind": "call", **document}, rules)


OUTSIDE = NumberMask("0????*", 3)


def test_a_rule_masks_what_was_decoded_as_a_number_and_its_raw_form() -> None:
    document = {
        "stations": ["1001"],
        "data": {"calling_dn": "0123456", "called_dn": "1001", "co": "001"},
        "raw": {"data": {"callingDN": " 0123456 ", "calledDN": "1001", "co": "001", "callRefID": "0123456"}},
    }
    masked = mask(document, OUTSIDE)
    assert masked["data"] == {"calling_dn": "***456", "called_dn": "1001", "co": "001"}
    assert masked["raw"]["data"]["callingDN"] == " ***456 "
    assert masked["raw"]["data"]["callRefID"] == "0123456"
    assert masked["stations"] == ["1001"]


def test_the_first_rule_that_names_a_number_decides() -> None:
    document = {"data": {"a": "0123456", "b": "0999999"}}
    masked = mask(document, NumberMask("0999*", 0), OUTSIDE)
    assert masked["data"] == {"a": "***456", "b": "***"}


def test_frames_that_were_not_decoded_are_masked_too() -> None:
    assert mask({"raw": {"newField": "0123456"}}, OUTSIDE)["raw"] == {"newField": "***456"}
    assert mask({"raw": b'{"callingDN": "0123456'}, OUTSIDE)["raw"] == b'{"callingDN": "***456'


def test_what_the_middleware_itself_records_is_left_alone() -> None:
    document = {"kind": "system", "data": {"number": "0123456"}}
    assert mask_numbers(document, [OUTSIDE]) == document


def test_a_number_of_which_nothing_would_be_hidden_is_hidden_whole() -> None:
    assert mask({"data": {"a": "0123"}}, NumberMask("*", 8))["data"] == {"a": "***"}


_json = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.text()
    | some.sampled_from(["0123456", "sip:0123456"]),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


@given(_json)
def test_no_value_is_left_where_a_number_was_erased(value: Any) -> None:
    erased = replace_number({"raw": value}, "0123456")
    assert replace_number(erased, "0123456") == erased
    assert "'0123456'" not in repr(erased)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("030-555-0142", "***42"),
        ("(030) 555 0142", "***42"),
        ("sip:0305550142@pbx", "sip:***42@pbx"),
        ("tel:030 5550142", "tel:***42"),
        ("+49 30 555 0142", "***42"),
        ("0049305550142", "***42"),
        (305550142, 305550142),
    ],
)
def test_a_rule_masks_a_number_in_whatever_way_it_is_spelled(text: Any, expected: Any) -> None:
    plan = NumberSettings(country="49")
    document = {"kind": "call", "data": {"a": text}, "raw": {"b": [text]}}
    masked = mask_numbers(document, [NumberMask("0????*", 2)], plan)
    assert (masked["data"]["a"], masked["raw"]["b"]) == (expected, [expected])


def test_a_number_that_was_found_is_masked_in_the_other_spellings_of_its_document_too() -> None:
    document = {"kind": "call", "data": {"a": "0305550142", "text": "from +49 (0)30-555 0142 to 1001"}}
    masked = mask_numbers(document, [NumberMask("0????*")], NumberSettings(country="49"))
    assert masked["data"] == {"a": "***", "text": "from *** to 1001"}


def test_of_two_numbers_with_one_mask_no_value_is_lost() -> None:
    erased = replace_number({"0305550142": 1, "030-5550142": 2, "030 5550142": 3}, "0305550142")
    assert sorted(erased.values()) == [1, 2, 3]


def test_dates_times_and_addresses_are_no_numbers_to_a_rule() -> None:
    data = {"a": "2026-11-28", "b": "010.0.0.1", "c": "01.11.2026", "d": "05:30:00"}
    assert mask({"data": data}, NumberMask("*"))["data"] == data


def test_a_name_goes_with_the_number_only_from_its_own_document() -> None:
    document = {"data": {"caller_number": "0305550142", "caller_name": "Kim"}, "raw": {"data2": " Kim "}}
    assert erase_number(document, "0305550142") == {
        "data": {"caller_number": "***", "caller_name": "***"},
        "raw": {"data2": "***"},
    }
    assert erase_number(document, "0305550143") == document
