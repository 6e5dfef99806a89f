"""The commands of the event log: events, call records, erasing numbers."""
