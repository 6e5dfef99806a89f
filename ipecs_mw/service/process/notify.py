"""Telling systemd how the daemon is, as sd_notify(3) does; nobody is told where systemd did not start us."""

import os
import socket

from ipecs_mw import logs

log = logs.get_logger()

_SEND_SECONDS = 1.0


def notify(**fields: str | int) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=…` and the like to `$NOTIFY_SOCKET`; a failure is a debug line."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    message = "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in fields.items())
    # a leading @ means the abstract namespace, whose names begin with a NUL
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_SECONDS)
            sender.sendto(message.encode(), target)
    except (OSError, ValueError) as error:
        log.debug("systemd was not told", address=address, error=str(error))
