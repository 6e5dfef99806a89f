"""What is printed where the terminal's encoding does not have every sign."""

import codecs
import encodings.ascii
import sys
from typing import TextIO

_PLAIN_ASCII = "ipecs_mw_ascii"


def make_tolerant(stream: TextIO | None) -> None:
    """Have the stream print a question mark for what its encoding does not have."""
    if stream is None or not hasattr(stream, "reconfigure"):
        return
    if codecs.lookup(stream.encoding).name == "ascii":
        # click takes a stream that names itself ASCII for a mistake, and writes UTF-8 past it
        codecs.register(_find_plain_ascii)
        stream.reconfigure(encoding=_PLAIN_ASCII)
    stream.reconfigure(errors="replace")


def has_every_sign() -> bool:
    """Return whether stdout can print every sign there is."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name.startswith("utf")


def _find_plain_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _PLAIN_ASCII:
        return None
    ascii_ = encodings.ascii.getregentry()
    return codecs.CodecInfo(
        ascii_.encode,
        ascii_.decode,
        ascii_.streamreader,
        ascii_.streamwriter,
        ascii_.incrementalencoder,
        ascii_.incrementaldecoder,
        name=_PLAIN_ASCII,
    )
