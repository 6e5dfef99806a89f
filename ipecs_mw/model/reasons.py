"""What operating systems say of a failure → the words for it, wherever it stands in what a library tells."""

import errno
import os
import re
from collections.abc import Callable

_KEYS = {
    os.strerror(errno.ECONNREFUSED): "reason.connection_refused",
    os.strerror(errno.ECONNRESET): "reason.connection_reset",
    os.strerror(errno.ECONNABORTED): "reason.connection_reset",
    os.strerror(errno.EPIPE): "reason.connection_reset",
    os.strerror(errno.EHOSTUNREACH): "reason.no_route",
    os.strerror(errno.ENETUNREACH): "reason.no_network",
    os.strerror(errno.ETIMEDOUT): "reason.timed_out",
    "timed out": "reason.timed_out",
    "Name or service not known": "reason.no_such_name",
    "No address associated with hostname": "reason.no_such_name",
    "Temporary failure in name resolution": "reason.name_later",
    os.strerror(errno.ENOENT): "reason.no_such_file",
    os.strerror(errno.EACCES): "reason.not_allowed",
    os.strerror(errno.EPERM): "reason.not_allowed",
    os.strerror(errno.EISDIR): "reason.is_folder",
    os.strerror(errno.ENOTDIR): "reason.no_folder",
    os.strerror(errno.EEXIST): "reason.exists",
    os.strerror(errno.ENOSPC): "reason.disk_full",
    os.strerror(errno.EDQUOT): "reason.disk_full",
    os.strerror(errno.EROFS): "reason.read_only",
    os.strerror(errno.EIO): "reason.disk_failed",
    os.strerror(errno.EMFILE): "reason.too_many_files",
    os.strerror(errno.ENFILE): "reason.too_many_files",
    os.strerror(errno.EADDRINUSE): "reason.port_taken",
    os.strerror(errno.EADDRNOTAVAIL): "reason.no_such_address",
}
_SAID = re.compile(
    rf"(?:\[Errno -?\d+\] )?\b({'|'.join(map(re.escape, sorted(_KEYS, key=len, reverse=True)))})\b"
)


def translate_reason(reason: str, read: Callable[[str], str]) -> str:
    """Return a reason with each sentence of the operating system replaced by what `read` has for its key."""
    return _SAID.sub(lambda found: read(_KEYS[found[1]]), reason)
