"""The commands for applications: the API and its tokens, webhooks."""
