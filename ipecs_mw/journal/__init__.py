"""What is durable on local disk before MongoDB has it."""
