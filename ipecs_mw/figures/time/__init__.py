"""Quarter hours, and what a zone makes of them: hours, days, weeks, months, office hours."""
