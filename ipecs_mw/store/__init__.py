"""MongoDB: the only package that knows pymongo."""
