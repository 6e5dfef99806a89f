"""Staying connected to one host: session, monitoring, call records, gaps."""
