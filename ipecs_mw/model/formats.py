"""Settings that say how numbers, text, dates and amounts are written where the phone systems stand."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

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
            description="code page of text that is not UTF-8, such as names; null: `cp949` where `timezone` is"
            " Asia/Seoul, else such a text is left out, and the rest of its event is kept"
        ),
    ] = None
    dates: Annotated[
        Literal["ymd", "dmy", "mdy"] | None,
        Meta(
            description="order of day, month and year, also with a year of two digits; null: only dates that begin"
            " with a year of four digits are read"
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Meta(
            description="sign between units and fractions of a cost; null: only costs are read that have a point"
            " and no sign between thousands"
        ),
    ] = None


class NumberSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers are dialled where the phone systems stand: what makes two spellings one number."""

    country: Annotated[
        Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,2}\Z")] | None,
        Meta(description="country code, such as `65`; null: a national number and its `+` form are two"),
    ] = None
    trunk_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[0-9*#]{0,3}\Z",
            description="what is dialled for an outside line, such as `9`; empty where nothing is",
        ),
    ] = ""
    national_prefix: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{0,3}\Z")] | None,
        Meta(
            description="what is dialled before a national number, such as `0`; empty where nothing is, null:"
            " what the country has"
        ),
    ] = None
    international_prefix: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{1,5}\Z")] | None,
        Meta(description="what is dialled for `+`, such as `00`; null: what the country has"),
    ] = None
    national_digits: Annotated[
        Annotated[int, Meta(ge=5, le=12)] | None,
        Meta(
            description="digits of a national number without its prefix (5 to 12), where all have the same; null:"
            " what the country has"
        ),
    ] = None
