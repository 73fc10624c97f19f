"""Acceptance policies: which evidence a region accepts, as data and as a signed table."""
