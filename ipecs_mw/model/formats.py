"""Settings that say how numbers, text, dates and amounts are written where the phone systems stand."""

from typing import Annotated

from msgspec import Meta, Struct


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
