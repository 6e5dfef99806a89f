"""What applications are told: the messages, their names and content, who may see them, without I/O."""
