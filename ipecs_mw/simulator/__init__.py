"""A simulated iPECS host on a real TLS port.

What needs the packages of its extra is imported when it is asked for: the table of variants needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ipecs_mw.simulator.wire.variants import Variants

if TYPE_CHECKING:
    from ipecs_mw.simulator.host.host import SessionView, SimulatedHost
    from ipecs_mw.simulator.wire.sessions import Account

__all__ = ["Account", "SessionView", "SimulatedHost", "Variants"]
_HOMES = {"Account": "wire.sessions", "SessionView": "host.host", "SimulatedHost": "host.host"}


def __getattr__(name: str) -> Any:
    """Return what the package offers, from its module."""
    if name not in _HOMES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
