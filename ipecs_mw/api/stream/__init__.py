"""The stream: every change once read and once spelled, for all who follow."""
