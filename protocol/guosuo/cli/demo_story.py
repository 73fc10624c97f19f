"""The demonstration's constants: four regions, their policies, who travels.

The regions are four whose health codes did not work for each other. Policies are
examples of how differently regions judge the same evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guosuo.evidence.facts import EvidenceKind
from guosuo.evidence.registry import NAAT, RAPID_ANTIGEN
from guosuo.policy.document import PolicyClause

REGIONS: Final = ("440000", "360000", "330000", "110000")
EPOCH_SECONDS: Final = 4 * 3600
TICK_SECONDS: Final = 30
EPOCH_ZERO: Final = 1_609_459_200
"""2021-01-01T00:00:00Z."""
POLICY: Final = "entry"
_DAY: Final = 24


def _vaccinated(
    description: str, *, doses: int, max_days: int, complete: bool = True
) -> PolicyClause:
    return PolicyClause(
        kind=EvidenceKind.VACCINATION,
        products=None,
        min_doses=doses,
        complete_series=complete,
        min_age_hours=14 * _DAY if doses < 3 else 0,  # noqa: PLR2004 - a booster counts at once
        max_age_hours=max_days * _DAY,
        description=description,
    )


def _tested(description: str, product: int, *, max_hours: int) -> PolicyClause:
    return PolicyClause(
        kind=EvidenceKind.TEST,
        products=(product,),
        min_doses=0,
        complete_series=False,
        min_age_hours=0,
        max_age_hours=max_hours,
        description=description,
    )


def _recovered(description: str, *, max_days: int) -> PolicyClause:
    return PolicyClause(
        kind=EvidenceKind.RECOVERY,
        products=None,
        min_doses=0,
        complete_series=False,
        min_age_hours=11 * _DAY,
        max_age_hours=max_days * _DAY,
        description=description,
    )


POLICIES: Final[dict[str, tuple[PolicyClause, ...]]] = {
    "440000": (
        _vaccinated("complete series, at most 270 days", doses=1, max_days=270),
        _recovered("recovered 11 to 180 days ago", max_days=180),
        _tested("nucleic-acid test within 72 h", NAAT, max_hours=72),
    ),
    "360000": (
        _vaccinated("complete series, at most 270 days", doses=1, max_days=270),
        _tested("nucleic-acid test within 48 h", NAAT, max_hours=48),
    ),
    "330000": (
        _vaccinated("complete series, at most 365 days", doses=1, max_days=365),
        _recovered("recovered 11 to 180 days ago", max_days=180),
        _tested("nucleic-acid test within 72 h", NAAT, max_hours=72),
        _tested("rapid antigen test within 24 h", RAPID_ANTIGEN, max_hours=24),
    ),
    "110000": (
        _vaccinated("three doses, at most 180 days", doses=3, max_days=180),
        _tested("nucleic-acid test within 48 h", NAAT, max_hours=48),
    ),
}


@dataclass(frozen=True, slots=True)
class Traveller:
    """Somebody with certificates, at home in one region."""

    name: str
    home: str
    pictures: tuple[str, ...]
    travels: tuple[str, ...]


TRAVELLERS: Final = (
    Traveller("Lan", "440000", ("LT-1.png", "LT-2.png"), ("360000", "330000", "110000")),
    Traveller("Bo", "440000", ("PL-12.png",), ("360000", "330000", "110000")),
    Traveller("Chen", "360000", ("CH-3.png",), ("440000", "330000", "110000")),
    Traveller("Hua", "330000", ("HR-3.png",), ("440000", "110000")),
    Traveller("Sun", "110000", ("SK-5.png",), ("440000", "360000", "330000")),
)
"""Invented names; the certificates are test certificates of invented persons."""

SUSPENDED: Final = "Bo"
CONTROL: Final = "Sun"
"""A lawful holder, for comparison."""
