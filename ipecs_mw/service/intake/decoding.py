"""How the frames of a host are read: what decoding needs of the configuration, as the host's journal keeps it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from ipecs_mw.model.definitions import Codes
from ipecs_mw.model.event import Event
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.service.intake.documents import Decode

_NO_ZONE = "the time zone of the host is not known"


class Reading(Struct, frozen=True):
    """The host's name and time zone, and the captions of the number fields of its call records."""

    host: str
    timezone: str
    captions: tuple[str, ...] = ()


def build_reading(host: HostSettings) -> Reading:
    """Return how the frames of a configured host are read."""
    return Reading(host.name, host.timezone, tuple(host.smdr.number_captions or ()))


def encode_reading(reading: Reading) -> str:
    """Return what a journal keeps of it."""
    return msgspec.json.encode(reading).decode()


def decode_reading(note: str | None) -> Reading | None:
    """Return what a journal has kept; None where it has nothing that can be used."""
    try:
        reading = msgspec.json.decode(note or "", type=Reading)
        ZoneInfo(reading.timezone)
    except (msgspec.MsgspecError, ValueError, LookupError, OSError):
        return None
    return reading


def build_decode(reading: Reading | None, codes: Codes) -> Decode:
    """Return what decodes the frames; without a reading their events have no `at`, and say why.

    A time of an unknown zone would be hours off in the event log for ever. What the host wrote stays in `raw`.
    """
    if reading is not None:
        return Decoder(codes.rows, ZoneInfo(reading.timezone), reading.captions).decode
    decode = Decoder(codes.rows, ZoneInfo("UTC")).decode

    def decode_without_zone(body: bytes, received_at: datetime) -> Event:
        event = decode(body, received_at)
        if event.at is None:
            return event
        return structs.replace(event, at=None, problems=(*event.problems, _NO_ZONE))

    return decode_without_zone
