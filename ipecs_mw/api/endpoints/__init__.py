"""The endpoints: a module a part, each with its rows."""
