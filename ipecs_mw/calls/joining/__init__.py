"""Which call a step belongs to."""
