"""What is told of calls: records, agent states, missed calls, the live state."""
