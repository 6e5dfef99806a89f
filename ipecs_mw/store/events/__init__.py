"""The event log: writing it and asking it."""
