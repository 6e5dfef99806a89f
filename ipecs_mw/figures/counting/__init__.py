"""Calls and states of agents → sums of quarter hours."""
