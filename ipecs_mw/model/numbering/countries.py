"""The calling codes of countries, as the ITU has assigned them (E.164, geographic areas)."""

from collections.abc import Mapping

_LAST_DIGITS: Mapping[str, str] = {
    "": "17",
    "2": "07",
    "3": "0123469",
    "4": "013456789",
    "5": "12345678",
    "6": "0123456",
    "8": "1246",
    "9": "0123458",
    "21": "12368",
    "22": "0123456789",
    "23": "0123456789",
    "24": "0123456789",
    "25": "012345678",
    "26": "0123456789",
    "29": "01789",
    "35": "0123456789",
    "37": "0123456789",
    "38": "01235679",
    "42": "013",
    "50": "0123456789",
    "59": "0123456789",
    "67": "023456789",
    "68": "012356789",
    "69": "012",
    "85": "02356",
    "88": "06",
    "96": "012345678",
    "97": "01234567",
    "99": "234568",
}
"""The digits before the last → each last digit with which they are a code."""

CALLING_CODES = frozenset(first + last for first, digits in _LAST_DIGITS.items() for last in digits)
"""The code of each country or area that has one; those of satellites and of services are none."""
