"""Lints proto/ and compares it with the interface as last released, with buf.

    python tools/check_proto.py             lint, and what breaks clients of released.binpb
    python tools/check_proto.py --release   lint, and make what is there the released one

buf comes from the npm registry, pinned in tools/node/package-lock.json. Without Node.js,
or if it cannot be installed, the check is skipped; in CI (CI=true) it fails instead:
tools/install_node.sh installs Node.js there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROTO: Final = ROOT / "proto"
RELEASED: Final = PROTO / "released.binpb"
HOME: Final = ROOT / "tools" / "node"
BUF: Final = HOME / "node_modules" / ".bin" / "buf"
STAMP: Final = HOME / "node_modules" / ".lock.sha256"


def install() -> str:
    """Installs what the lock file says unless it is there; the reason why not, or nothing."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "Node.js is not installed"
    if is_installed():
        return ""
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=HOME, check=False).returncode != 0:  # noqa: S603 - ours
        return "npm ci failed"
    STAMP.write_text(_lock_hash(), encoding="ascii")
    return ""


def is_installed() -> bool:
    """Whether what the lock file says is there."""
    return BUF.exists() and STAMP.exists() and STAMP.read_text(encoding="ascii") == _lock_hash()


def buf(*arguments: str, proto: Path = PROTO) -> int:
    """Runs buf in a folder with buf.yaml."""
    command = [str(BUF), *arguments]
    return subprocess.run(command, cwd=proto, check=False).returncode  # noqa: S603 - ours


def compare(proto: Path = PROTO, released: Path = RELEASED) -> int:
    """Exit code of lint and of the comparison."""
    code = buf("lint", proto=proto)
    return buf("breaking", "--against", str(released), proto=proto) or code


def _lock_hash() -> str:
    return hashlib.sha256((HOME / "package-lock.json").read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    """Prints what is wrong and gives the exit code."""
    missing = install()
    if missing:
        if os.environ.get("CI") == "true":
            print(f"{missing}: proto/ cannot be checked.")
            return 1
        print(f"{missing}: lint of proto/ skipped.")
        return 0
    if arguments == ["--release"]:
        code = buf("lint") or buf("build", "--exclude-source-info", "-o", str(RELEASED))
        print("proto/released.binpb renewed." if code == 0 else "Nothing was changed.")
        return code
    code = compare()
    if code == 0:
        print("proto/ is clean and compatible with proto/released.binpb.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
