"""Which engine runs: the one asked for, or the fastest that is installed."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from typing import Final

from guosuo.curve.points import Engine
from guosuo.errors import CallerError, Reason

ENVIRONMENT_VARIABLE: Final = "GUOSUO_ENGINE"

_MODULES: Final = {
    "pyblst": "guosuo.curve.blst",
    "py_arkworks_bls12381": "guosuo.curve.arkworks",
    "py_ecc": "guosuo.curve.pyecc",
}
"""Name of the engine, which is also its package's name, and our module; fastest first."""


@functools.cache
def engine_names() -> tuple[str, ...]:
    """Names of the engines whose package is installed, fastest first."""
    return tuple(name for name in _MODULES if importlib.util.find_spec(name) is not None)


def get_engine(name: str | None = None) -> Engine:
    """Give the engine of that name; always the same object for the same name.

    Without a name, the environment variable GUOSUO_ENGINE decides if it is set
    and not empty, and else the fastest installed engine that can be imported.
    Raises `CallerError` (ENGINE) where none is to be had.
    """
    wanted = name or os.environ.get(ENVIRONMENT_VARIABLE)
    for candidate in (wanted,) if wanted else engine_names():
        engine = _load(candidate)
        if engine is not None:
            return engine
    names = ", ".join(engine_names())
    raise CallerError(Reason.ENGINE, f"engines that can be used here: {names or 'none'}")


@functools.cache
def _load(name: str) -> Engine | None:
    """Import an engine; None if it is unknown, not installed or broken."""
    if name not in _MODULES:
        return None
    # py_ecc raises the recursion limit of the whole process when it is imported; then
    # deeply nested input would crash the process instead of raising an exception.
    limit = sys.getrecursionlimit()
    try:
        engine: Engine = importlib.import_module(_MODULES[name]).ENGINE
    except ImportError:
        return None
    finally:
        sys.setrecursionlimit(limit)
    return engine
