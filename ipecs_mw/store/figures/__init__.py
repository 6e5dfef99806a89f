"""Figures: keeping what was counted, and asking for it."""
