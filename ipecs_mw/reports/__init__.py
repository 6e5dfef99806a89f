"""Figures as they are mailed: when a report is due, and the mail that it is. No I/O."""
