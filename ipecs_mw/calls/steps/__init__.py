"""Events as steps: what each says of a call, and where it stands in the order of the host."""
