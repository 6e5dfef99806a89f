"""What is wrong with MongoDB or a phone system, and what to do about it: the findings of `ipecs-mw check`."""
