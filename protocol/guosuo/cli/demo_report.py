"""What the demonstration reports: one row a scan, and whether all was as it must be."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from guosuo.cli.demo_story import CONTROL, SUSPENDED
from guosuo.roles.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One scan at one gate."""

    who: str
    home: str
    gate: str
    moment: str
    """"before" or "after" the suspension."""
    shown: str
    """"proof", or "blank" where the wallet knew that it would not be accepted."""
    verdict: str
    expected: str
    """By the gate's policy in clear and the orders in force."""
    octets: int
    qr_version: int
    show_ms: float
    verify_ms: float
    picture: str


@dataclass(slots=True)
class Report:
    """What happened, for the table and for `--json`."""

    engine: str
    regions: list[dict[str, str]] = field(default_factory=list)
    certificates: list[dict[str, str]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    modified_wallets: dict[str, dict[str, int]] = field(default_factory=dict)
    """Attempts and verdicts of the suspended holder's and a lawful holder's modified wallet."""
    seen: str = ""
    """The public fields of the first show."""
    seconds: float = 0.0
    folder: str = ""

    def as_expected(self) -> bool:
        """Every verdict as the policy in clear says, every bad certificate refused."""
        return (
            all(row.verdict == row.expected for row in self.rows)
            and all(c["result"] == c["expected"] for c in self.certificates)
            and Verdict.ACCEPT not in self.modified_wallets[SUSPENDED]
            # The control: with a lawful holder's credentials the same tricks do pass.
            and Verdict.ACCEPT in self.modified_wallets[CONTROL]
        )

    def to_json(self) -> str:
        """One JSON document."""
        data: dict[str, Any] = asdict(self) | {"as_expected": self.as_expected()}
        return json.dumps(data, ensure_ascii=False, indent=2)
