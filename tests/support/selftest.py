"""What tests of the self-test share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guosuo.curve import engine_names, get_engine
from guosuo.selftest import Report, run_selftest

NATIVE = [get_engine(name) for name in engine_names() if get_engine(name).native]
ENGINES = NATIVE or [get_engine("py_ecc")]


def written(folder: Path, files: dict[str, Any]) -> Report:
    for name, document in files.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / name).write_text(text)
    return run_selftest(folder, ENGINES[-1])


def failing(report: Report) -> list[str]:
    return [failure.file for failure in report.failures]
