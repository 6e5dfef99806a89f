"""The process itself: threads, stopping, state directory, identity, systemd."""
