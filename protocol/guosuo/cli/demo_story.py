"""The demonstration's constants: four regions, their policies, who travels.

The regions are four whose health codes did not work for each other. Policies are
examples of how differently regions judge the same evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guosuo.policy.simple import Way, recovered, tested, vaccinated

REGIONS: Final = ("440000", "360000", "330000", "110000")
EPOCH_SECONDS: Final = 4 * 3600
TICK_SECONDS: Final = 30
EPOCH_ZERO: Final = 1_609_459_200
"""2021-01-01T00:00:00Z."""
POLICY: Final = "entry"
_NUCLEIC_ACID: Final = "LP6464-4"
_RAPID_ANTIGEN: Final = "LP217198-3"

_VACCINES: Final = (
    "BBIBP-CorV",
    "CoronaVac",
    "EU/1/20/1507",
    "EU/1/20/1525",
    "EU/1/20/1528",
    "EU/1/21/1529",
)

POLICIES: Final[dict[str, tuple[Way, ...]]] = {
    "440000": (
        vaccinated(
            "complete series, at most 270 days", products=_VACCINES, min_days=14, max_days=270
        ),
        recovered("recovered 11 to 180 days ago", min_days=11, max_days=180),
        tested("nucleic-acid test within 72 h", _NUCLEIC_ACID, max_hours=72),
    ),
    "360000": (
        vaccinated(
            "complete series, at most 270 days", products=_VACCINES, min_days=14, max_days=270
        ),
        tested("nucleic-acid test within 48 h", _NUCLEIC_ACID, max_hours=48),
    ),
    "330000": (
        vaccinated(
            "complete series, at most 365 days", products=_VACCINES, min_days=14, max_days=365
        ),
        recovered("recovered 11 to 180 days ago", min_days=11, max_days=180),
        tested("nucleic-acid test within 72 h", _NUCLEIC_ACID, max_hours=72),
        tested("rapid antigen test within 24 h", _RAPID_ANTIGEN, max_hours=24),
    ),
    "110000": (
        vaccinated("three doses, at most 210 days", doses=3, products=_VACCINES, max_days=210),
        tested("nucleic-acid test within 48 h", _NUCLEIC_ACID, max_hours=48),
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
    Traveller("Bo", "440000", ("SK-4.png",), ("360000", "330000", "110000")),
    Traveller("Chen", "360000", ("CH-3.png",), ("440000", "330000", "110000")),
    Traveller("Hua", "330000", ("HR-3.png",), ("440000", "110000")),
    Traveller("Sun", "110000", ("SK-5.png",), ("440000", "360000", "330000")),
)
"""Invented names; the certificates are test certificates of invented persons."""

SUSPENDED: Final = "Bo"
CONTROL: Final = "Sun"
"""A lawful holder, for comparison."""
