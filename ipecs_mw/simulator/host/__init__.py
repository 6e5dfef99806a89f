"""The host on its port: requests, streams, control."""
