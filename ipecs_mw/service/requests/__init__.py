"""Commands taken from MongoDB, carried out at most once, and resolved where the reply was lost."""
