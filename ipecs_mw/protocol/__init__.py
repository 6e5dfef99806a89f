"""What iPECS says, with no I/O at all."""
