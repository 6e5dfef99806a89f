"""What applications come by: changes from a position, tokens, webhooks and their deliveries."""
