"""The commands that run the daemon and look after it."""
