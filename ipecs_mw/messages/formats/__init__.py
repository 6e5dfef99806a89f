"""How a message is put for who is told by webhook: signed, in a standard form or by a template, without I/O."""
