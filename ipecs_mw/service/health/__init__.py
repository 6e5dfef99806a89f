"""How the daemon is, for those who watch it: health, metrics, heartbeat."""
