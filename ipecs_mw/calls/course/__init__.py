"""What a step does to the course of a call."""
