"""How the frames of a host are read: what decoding needs of the configuration, as the host's journal keeps it."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from ipecs_mw.model.configuration.formats import Encoding, FormatSettings
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import Codes
from ipecs_mw.model.event import Event
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.service.intake.documents import Decode

_ENCODINGS: Mapping[str, Encoding] = {"Asia/Seoul": "cp949", "ROK": "cp949"}
"""Zone → what its phone systems write, unless the configuration says otherwise."""

_NO_ZONE = "the time zone of the host is not known"


class Reading(Struct, frozen=True):
    """The host's name and time zone, the captions of the number fields of its call records, how it writes."""

    host: str
    timezone: str
    captions: tuple[str, ...] = ()
    formats: FormatSettings = FormatSettings()


def build_reading(host: HostSettings) -> Reading:
    """Return how the frames of a configured host are read."""
    formats = host.formats
    if formats.encoding is None:
        formats = structs.replace(formats, encoding=_ENCODINGS.get(host.timezone))
    return Reading(host.name, host.timezone, tuple(host.smdr.number_captions or ()), formats)


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
        return Decoder(codes.rows, ZoneInfo(reading.timezone), reading.captions, reading.formats).decode
    decode = Decoder(codes.rows, ZoneInfo("UTC")).decode

    def decode_without_zone(body: bytes, received_at: datetime) -> Event:
        event = decode(body, received_at)
        if event.at is None:
            return event
        return structs.replace(event, at=None, problems=(*event.problems, _NO_ZONE))

    return decode_without_zone
