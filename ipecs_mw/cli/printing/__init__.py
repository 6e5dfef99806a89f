"""What commands print: tables, CSV, JSON, times and words, as the screen has room for."""
