"""Registry of kinds of evidence and of products (vaccines, tests).

A product's code is part of the evidence integer, so the table is append-only:
a code is never changed, reused or removed. New rows go to the end (GS-EVID-4).
Vaccine names are the EU value set `vaccine-medicinal-product` and what rules name
beside it. The product of a test is its type (LOINC) with the result and, for
negative rapid antigen tests, the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from guosuo.evidence.devices import DEVICES


class EvidenceKind(IntEnum):
    """What a document proves; the number is part of the evidence integer."""

    VACCINATION = 1
    TEST = 2
    RECOVERY = 3


OTHER: Final = 0
"""Code of everything the registry does not know: products, kinds of vaccine, types of test,
results. Its documents have little in common, so a rule accepts it only if it accepts all."""


@dataclass(frozen=True, slots=True)
class Product:
    """One row: a code below 2^16 and the name that documents use."""

    code: int
    kind: EvidenceKind
    name: str


NAAT: Final = 1001
"""Negative nucleic acid amplification test (PCR and its kin)."""
RAPID_ANTIGEN: Final = 1002
"""Negative rapid antigen test by a device that is not in the registry, or not named."""
NAAT_POSITIVE: Final = 1003
RAPID_ANTIGEN_POSITIVE: Final = 1004
"""By any device: nobody asks which one found something."""
ANTIBODY: Final = 1005
"""Negative antibody test."""
ANTIBODY_POSITIVE: Final = 1006
RECOVERY: Final = 2001
"""Recovery after a first positive NAAT; documents name no product for it."""

DEVICE_BASE: Final = 10_000
"""Negative rapid antigen tests: the code is this plus the device's number."""

COVID_19: Final = "840539006"
"""SNOMED CT; the only disease of the value set `disease-agent-targeted`."""

NEGATIVE: Final = "260415000"
"""SNOMED CT: not detected."""
POSITIVE: Final = "260373001"
"""SNOMED CT: detected."""

TYPE_NAAT: Final = "LP6464-4"
TYPE_RAPID_ANTIGEN: Final = "LP217198-3"
TYPE_ANTIBODY: Final = "94504-8"

PROPHYLAXES: Final = ("1119349007", "1119305005", "J07BX03")
"""Kinds of vaccine (`vp`) that a registered product goes with, mRNA, antigen, any.

Real documents use the three for every product, and the rules that look at them
take all three alike. A document with another one is of product `OTHER`.
"""

_VACCINES: Final = (
    (1, "EU/1/20/1528"),  # Comirnaty
    (2, "EU/1/20/1507"),  # Spikevax
    (3, "EU/1/21/1529"),  # Vaxzevria
    (4, "EU/1/20/1525"),  # Jcovden
    (5, "CVnCoV"),
    (6, "NVX-CoV2373"),
    (7, "Sputnik-V"),
    (8, "Convidecia"),
    (9, "EpiVacCorona"),
    (10, "BBIBP-CorV"),
    (11, "Inactivated-SARS-CoV-2-Vero-Cell"),
    (12, "CoronaVac"),
    (13, "Covaxin"),
    (14, "Covishield"),
    (15, "Covid-19-recombinant"),
    (16, "R-COVI"),
    (17, "CoviVac"),
    (18, "Sputnik-Light"),
    (19, "Hayat-Vax"),
    (20, "Abdala"),
    (21, "WIBP-CorV"),
    (22, "MVC-COV1901"),
    (23, "EU/1/21/1618"),  # Nuvaxovid
    (24, "Covovax"),
    (25, "Vidprevtyn"),
    (26, "VLA2001"),
    (27, "EpiVacCorona-N"),
    (28, "Sputnik-M"),
    (29, "Covid-19-adsorvida-inativada"),
    (30, "NVSI-06-08"),
    (31, "YS-SC2-010"),
    (32, "SCTV01C"),
    (33, "Covifenz"),
    (34, "AZD2816"),
    (35, "Soberana-02"),
    (36, "Soberana-Plus"),
    (37, "EU/1/21/1624"),  # COVID-19 Vaccine Valneva
    (38, "EU/1/21/1580"),  # VidPrevtyn Beta
    (39, "EU/1/22/1709"),  # Bimervax
    # In rules of June 2022, for doses given in the countries that approved them:
    (40, "BBIBP-CorV_T"),
    (41, "CoronaVac_T"),
    (42, "Covaxin_T"),
)

_TESTS: Final = {
    (TYPE_NAAT, NEGATIVE): NAAT,
    (TYPE_RAPID_ANTIGEN, NEGATIVE): RAPID_ANTIGEN,
    (TYPE_NAAT, POSITIVE): NAAT_POSITIVE,
    (TYPE_RAPID_ANTIGEN, POSITIVE): RAPID_ANTIGEN_POSITIVE,
    (TYPE_ANTIBODY, NEGATIVE): ANTIBODY,
    (TYPE_ANTIBODY, POSITIVE): ANTIBODY_POSITIVE,
}

PRODUCTS: Final = (
    *(Product(code, EvidenceKind.VACCINATION, name) for code, name in _VACCINES),
    *(Product(code, EvidenceKind.TEST, f"{tt} {tr}") for (tt, tr), code in _TESTS.items()),
    *(
        Product(DEVICE_BASE + int(device), EvidenceKind.TEST, f"{TYPE_RAPID_ANTIGEN} {device}")
        for device in DEVICES
    ),
    Product(RECOVERY, EvidenceKind.RECOVERY, "recovery"),
)

_VACCINE_CODES: Final = {name: code for code, name in _VACCINES}
_VACCINE_NAMES: Final = dict(_VACCINES)
_DEVICE_CODES: Final = {device: DEVICE_BASE + int(device) for device in DEVICES}
_TEST_MEMBERS: Final = {code: (tt, tr, "") for (tt, tr), code in _TESTS.items()} | {
    code: (TYPE_RAPID_ANTIGEN, NEGATIVE, device) for device, code in _DEVICE_CODES.items()
}
_REGISTERED: Final = {
    kind: frozenset(product.code for product in PRODUCTS if product.kind is kind)
    for kind in EvidenceKind
}


def code_of_vaccine(mp: str, vp: str) -> int:
    """The code of a vaccine by product and kind of vaccine; `OTHER` for unknown ones.

    >>> code_of_vaccine("EU/1/20/1507", "J07BX03"), code_of_vaccine("EU/1/20/1507", "new")
    (2, 0)
    """
    return _VACCINE_CODES.get(mp, OTHER) if vp in PROPHYLAXES else OTHER


def name_of_vaccine(code: int) -> str:
    """The `mp` of a registered vaccine."""
    return _VACCINE_NAMES[code]


def code_of_test(tt: str, tr: str, device: str) -> int:
    """The code of a test by type, result and device; `OTHER` for other types and results.

    >>> code_of_test("LP217198-3", "260415000", "1232"), code_of_test("LP6464-4", "260373001", "")
    (11232, 1003)
    """
    code = _TESTS.get((tt, tr), OTHER)
    return _DEVICE_CODES.get(device, code) if code == RAPID_ANTIGEN else code


def members_of_test(code: int) -> tuple[str, str, str]:
    """(tt, tr, ma) of a registered test; an empty `ma` where the device does not matter."""
    return _TEST_MEMBERS[code]


def registered(kind: EvidenceKind) -> frozenset[int]:
    """All codes of one kind, without `OTHER`."""
    return _REGISTERED[kind]
