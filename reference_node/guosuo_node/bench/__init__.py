"""What `guosuo bench` measures of a node."""
