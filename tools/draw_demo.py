"""Draw the README's picture: the demonstration's tables from a real run, as SVG.

.venv/bin/python tools/draw_demo.py docs/pictures/demo.svg
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from guosuo.cli.demo import Demo
from guosuo.cli.demo_command import report_table
from guosuo.curve.entropy import Entropy
from guosuo.suite import Suite


def main() -> None:
    """Run the demonstration in a temporary folder and draw what it reports."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        quiet = Console(file=sys.stderr)
        demo = Demo(Suite.sha256(), Entropy(os.urandom), Path(folder) / "demo", quiet, codes=False)
        report = demo.run()
        show = Path(folder) / "demo" / "shows" / "before-Lan-360000.png"
        (target.parent / "show.png").write_bytes(show.read_bytes())
    drawing = Console(record=True, width=80, file=sys.stderr)
    for moment in ("before", "after"):
        drawing.print(report_table(report, moment))
    svg = drawing.export_svg(title="guosuo demo")
    # The reader's own fixed-width font: nothing is fetched when the picture is shown.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
