"""Charter, published records, trust lists: what regions tell each other and everybody."""
