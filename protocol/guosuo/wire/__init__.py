"""The wire: bytes to plain values and back, strict, bounded and deterministic."""
