"""What the events of the log mean, with no I/O: events → calls."""
