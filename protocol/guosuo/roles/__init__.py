"""The parties of the protocol as pure state machines: no I/O, clock or entropy of their own."""
