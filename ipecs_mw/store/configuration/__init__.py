"""What people set in MongoDB: configuration, language strings, definitions, secrets, and seeds."""
