"""Webhooks: messages are kept for each, and sent, by one daemon of all of a database."""
