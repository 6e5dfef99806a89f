"""Middleware between an Ericsson-LG iPECS phone system and business software."""

__version__ = "0.1.0"
