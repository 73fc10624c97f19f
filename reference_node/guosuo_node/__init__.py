"""The reference node: what a region runs (`guosuo node`)."""
