"""Telephone numbers: what they can mean, ranges of extensions, countries, and what is hidden of them."""
