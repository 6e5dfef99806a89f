"""A simulated iPECS host on a real TLS port."""

from ipecs_mw.simulator.host import SessionView, SimulatedHost
from ipecs_mw.simulator.sessions import Account

__all__ = ["Account", "SessionView", "SimulatedHost"]
