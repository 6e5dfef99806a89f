"""The commands that set up: schema, seeds, configuration, secrets, certificates, rights."""
