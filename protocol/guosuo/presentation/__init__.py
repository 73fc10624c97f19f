"""Presentations: one sigma proof and one batched pairing check."""
