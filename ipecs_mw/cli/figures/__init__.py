"""The commands that speak of figures."""
