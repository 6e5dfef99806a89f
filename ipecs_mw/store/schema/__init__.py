"""What the database is made of: migrations, validators, roles, and what is really there."""
