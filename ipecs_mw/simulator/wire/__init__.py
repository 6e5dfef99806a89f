"""What the host says and understands on the wire, and how it says it."""
