"""What the daemon does, written against the layers below."""
