"""BLS12-381 behind one typed interface, with several engines."""

from guosuo.curve.points import G1, G2, Engine
from guosuo.curve.scalar import ORDER, SCALAR_SIZE, Scalar
from guosuo.curve.selection import engine_names, get_engine

__all__ = [
    "G1",
    "G2",
    "ORDER",
    "SCALAR_SIZE",
    "Engine",
    "Scalar",
    "engine_names",
    "get_engine",
]
