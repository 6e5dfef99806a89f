"""What a host sends: frame to journal, to document, to MongoDB."""
