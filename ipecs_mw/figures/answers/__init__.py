"""Sums → rates, rows and tables; and what is to be raised as an alarm."""
