"""Middleware between an Ericsson-LG iPECS phone system and business software."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipecs_mw.api_client import ApiClient
    from ipecs_mw.client import Client

__version__ = "0.1.0"
__all__ = ["ApiClient", "Client"]


def __getattr__(name: str) -> Any:
    """Give the clients without having every import of the package pay for what they are made with."""
    if name == "Client":
        from ipecs_mw.client import Client  # noqa: PLC0415 - on demand is the point

        return Client
    if name == "ApiClient":
        from ipecs_mw.api_client import ApiClient  # noqa: PLC0415 - on demand is the point

        return ApiClient
    raise AttributeError(name)
