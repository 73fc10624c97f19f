"""Boards and their proofs in other processes, so that the event loop never waits for them."""
