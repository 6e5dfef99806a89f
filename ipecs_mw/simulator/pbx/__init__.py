"""The phone system itself: stations, calls, groups, the day that it plays, what truly happened."""
