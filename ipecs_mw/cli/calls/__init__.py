"""The commands that speak of calls, agents and missed calls."""
