"""`guosuo node` and `guosuo federation`."""
