"""Calls and agent states → figures: formulas, intervals, zones. No I/O."""
