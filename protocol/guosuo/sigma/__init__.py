"""One composer of linear-relation sigma proofs over G1 and G2."""
