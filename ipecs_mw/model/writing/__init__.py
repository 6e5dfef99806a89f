"""Text and tables for files and terminals: JSON, CSV, columns, signs that are safe to show."""
