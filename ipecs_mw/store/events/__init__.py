"""The event log: writing it, asking it, keeping and erasing what is in it."""
