"""The `guosuo` command."""
