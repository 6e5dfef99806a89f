"""Middleware between an Ericsson-LG iPECS phone system and business software."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipecs_mw.client import Client

__version__ = "0.1.0"
__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    """Give `ipecs_mw.Client` without having every import of the package pay for the driver."""
    if name == "Client":
        from ipecs_mw.client import Client  # noqa: PLC0415 - on demand is the point

        return Client
    raise AttributeError(name)
