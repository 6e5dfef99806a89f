"""Settings of webhooks: where they may be sent to, how long a receiver has, how long deliveries are kept."""

from typing import Annotated

from msgspec import Meta, Struct

from ipecs_mw.model.configuration.rules import check_file

WebhookName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z", extra={"words": "allowed.webhook_name"})
]
WebhookNames = Annotated[list[WebhookName], Meta(min_length=1, max_length=100)]


class WebhookSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How all [webhooks](webhooks.md) are sent."""

    allow_private: Annotated[
        bool,
        Meta(
            description="also send to this machine and to private networks, such as a CRM in the house; link-local"
            " addresses and those by which clouds give out keys stay refused"
        ),
    ] = False
    timeout_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=10,
            description="how long a receiver has for all of a request, from its name to its answer",
        ),
    ] = 10
    keep_days: Annotated[
        int,
        Meta(
            ge=1,
            le=366,
            description="how long a delivery is kept after its end, to be looked at and replayed",
        ),
    ] = 14
    parallel: Annotated[
        int,
        Meta(ge=1, le=32, description="how many requests of one webhook are on their way at a time"),
    ] = 4
    most_waiting: Annotated[
        int,
        Meta(
            ge=100,
            le=10_000_000,
            description="of a webhook for which so many deliveries wait no more are made until there are fewer;"
            " it then goes on where it stopped, as far as MongoDB's log reaches back",
        ),
    ] = 100_000
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file of the authorities whose certificates receivers may show; null: those of the"
            " system",
            extra={"rule": check_file},
        ),
    ] = None
