"""Checks that protocol/guosuo/pb is what tools/generate_pb.py makes of the .proto files.

    python tools/check_pb.py

Exit code 1 with the names of the files that differ, 0 otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from generate_pb import TARGET, GenerationError, generate


def differences(made: Mapping[str, str], target: Path) -> list[str]:
    """One sentence for each file that is missing, altered or left over."""
    present = {path.name for path in target.glob("*.py*") if path.is_file()}
    found = [f"{name} is left over" for name in sorted(present - made.keys())]
    for name, text in sorted(made.items()):
        path = target / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is not what proto/ gives")
    return found


def main() -> int:
    """Prints what is wrong and gives the exit code."""
    try:
        made = generate()
    except GenerationError:
        return 1
    found = differences(made, TARGET)
    for sentence in found:
        print(f"protocol/guosuo/pb: {sentence}")
    if found:
        print("Run: .venv/bin/python tools/generate_pb.py")
        return 1
    print(f"{len(made)} generated files are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
