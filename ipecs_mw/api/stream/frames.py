"""A message on the wire: as Server-Sent Events, or as one JSON message of a WebSocket."""

from typing import Literal

from msgspec import Raw, Struct

from ipecs_mw.api.answers import encode
from ipecs_mw.messages.hiding import hide_numbers
from ipecs_mw.messages.message import Message
from ipecs_mw.model.configuration.formats import NumberSettings

Form = Literal["sse", "ws"]


class Entry(Struct):
    """A message with the position after it; spelled once for all who may see numbers, and once for the others."""

    message: Message
    position: str
    plan: NumberSettings
    bodies: dict[bool, bytes] = {}
    frames: dict[tuple[Form, bool], bytes] = {}

    def spell(self, form: Form, *, sees_numbers: bool) -> bytes:
        """Return the frame for a client."""
        key = form, sees_numbers
        frame = self.frames.get(key)
        if frame is None:
            body = self.bodies.get(sees_numbers)
            if body is None:
                data = self.message.data
                if not sees_numbers:
                    data = hide_numbers(self.message.name, data, self.plan)
                body = self.bodies[sees_numbers] = encode(data)
            frame = self.frames[key] = spell_frame(form, self.message.name, body, self.position)
        return frame

    def forget(self) -> None:
        """Drop what was spelled; it can be spelled again."""
        self.bodies, self.frames = {}, {}


def spell_frame(form: Form, name: str, body: bytes, position: str) -> bytes:
    """Return a frame: a named event with its data as JSON, and the position after it; none where that is blank."""
    if form == "ws":
        return encode(({"id": position} if position else {}) | {"event": name, "data": Raw(body)})
    head = b"id: %b\n" % position.encode() if position else b""
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), body)


def spell_alive(form: Form, position: str) -> bytes:
    """Return what shows that the stream lives, and moves the position on."""
    if form == "ws":
        return encode({"id": position, "event": "alive"})
    return b": alive\nid: %b\n\n" % position.encode()
