"""What follows the event log: calls, agent states, missed calls and the live state, made of its events."""
