"""A simulated iPECS host on a real TLS port."""
