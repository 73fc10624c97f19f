"""How databases of older versions become ones of this version."""
