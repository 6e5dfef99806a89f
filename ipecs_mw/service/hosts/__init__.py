"""All hosts of a daemon, each with one session after another: what puts the rest together for a host."""
