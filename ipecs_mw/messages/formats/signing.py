"""Signatures of deliveries by Standard Webhooks 1.0.0, and what a secret of theirs is."""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST_BYTES: Final = 24
LONGEST_BYTES: Final = 64


def decode_secret(secret: str) -> bytes | None:
    """Return the bytes of a secret, `whsec_` and base64 of 24 to 64 bytes; None for what is none."""
    try:
        key = b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    is_secret = secret.strip().startswith(PREFIX) and SHORTEST_BYTES <= len(key) <= LONGEST_BYTES
    return key if is_secret else None


def spell_secret(key: bytes) -> str:
    """Return a secret as people copy it."""
    return PREFIX + b64encode(key).decode()


def sign(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: a signature for each key, with a blank between."""
    content = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return " ".join(f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys)


def build_headers(
    keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes, content_type: str
) -> dict[str, str]:
    """Return the headers of a delivery; `timestamp` is the second of this try."""
    return {
        "content-type": content_type,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys, webhook_id, timestamp, body),
    }
