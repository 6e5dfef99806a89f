"""Calls, agent states, missed calls and the live state: what readers of the event log write, and asking for it."""
