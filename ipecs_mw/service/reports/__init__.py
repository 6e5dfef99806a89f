"""Reports by themselves: each sent when it is due, by one daemon of all."""
