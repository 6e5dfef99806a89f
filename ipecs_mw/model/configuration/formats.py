"""Settings that say how numbers, text, dates and amounts are written where the phone systems stand."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ipecs_mw.model.configuration.rules import check_country

Encoding = Literal[
    "cp437", "cp850", "cp852", "cp866", "cp874", "cp949", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp1257", "cp1258", "euc-jp", "gb2312", "iso-8859-1", "iso-8859-2", "iso-8859-3",
    "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-10",
    "iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16", "koi8-r", "koi8-u", "tis-620",
]  # fmt: skip
"""Code pages in which no part of a letter looks like a quotation mark or backslash of JSON."""


class FormatSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a phone system writes text, dates and amounts: its administrator chose them."""

    encoding: Annotated[
        Encoding | None,
        Meta(
            description="code page of text that is not UTF-8, such as names; null: `cp949` if `timezone` is"
            " Asia/Seoul, else such a text is left out and the rest of the event is kept"
        ),
    ] = None
    dates: Annotated[
        Literal["ymd", "dmy", "mdy"] | None,
        Meta(
            description="order of day, month and year, also for years of two digits; null: read only dates"
            " that begin with a year of four digits"
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Meta(
            description="decimal sign of a cost; null: read only costs with a point and without a sign between"
            " thousands"
        ),
    ] = None


class NumberSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers are dialled where the phone systems stand: what makes two spellings one number."""

    country: Annotated[
        Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,2}\Z", extra={"words": "allowed.country"})] | None,
        Meta(
            description="country code, such as `65`; null: a national number and its `+` form count as two"
            " numbers",
            extra={"rule": check_country},
        ),
    ] = None
    trunk_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[0-9*#]{0,3}\Z",
            description="digit or digits dialled for an outside line, such as `9`; empty if there are none",
        ),
    ] = ""
    national_prefix: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{0,3}\Z")] | None,
        Meta(
            description="digits dialled before a national number, such as `0`; empty if there are none; null:"
            " those of the country"
        ),
    ] = None
    international_prefix: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{1,5}\Z")] | None,
        Meta(description="digits dialled for `+`, such as `00`; null: those of the country"),
    ] = None
    national_digits: Annotated[
        Annotated[int, Meta(ge=5, le=12)] | None,
        Meta(
            description="number of digits of a national number without its prefix (5 to 12), if all have the same;"
            " null: that of the country"
        ),
    ] = None
