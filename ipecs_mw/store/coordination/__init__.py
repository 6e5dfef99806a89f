"""What daemons and commands agree on through MongoDB: leases, instances, requests."""
