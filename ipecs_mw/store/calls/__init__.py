"""Calls, agents' states, missed calls and the live state: kept in MongoDB, and asked for."""
