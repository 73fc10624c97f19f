"""Registry of kinds of evidence and of products (vaccines, tests).

A product's code is part of the evidence integer, so the table is append-only:
a code is never changed, reused or removed. New rows go to the end (GS-EVID-4).
Vaccine names are the EU value set `vaccine-medicinal-product` and what rules name
beside it. The product of a test is its type (LOINC) with the result and, for
negative rapid antigen tests, the device.

Every code is paid for by every table that accepts it, so products that rules only take
together share one. A group goes on meaning all that it ever meant: if rules begin to tell
a member apart, this member gets a code of its own, which documents read from then on have.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from guosuo.evidence.devices import LISTED_2021, LISTED_2022, SINGLE_DEVICES


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
RAPID_ANTIGEN_2021: Final = 1007
"""Negative rapid antigen test by one of the devices `LISTED_2021`."""
RAPID_ANTIGEN_2022: Final = 1008
"""Negative rapid antigen test by one of the devices `LISTED_2022`."""
RECOVERY: Final = 2001
"""Recovery after a first positive NAAT; documents name no product for it."""

DEVICE_BASE: Final = 10_000
"""Negative rapid antigen tests by one device: the code is this plus the device's number."""

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

Documents use the three for every product, and the rules that look at them take all
three alike. Documents of a registered product with another one are no evidence: a rule
that is in force takes the three and refuses the six that the EU value set has had since
2022, so that one code for all nine would accept what it refuses, and two codes for each
product would make tables twice as large (ADR 11).
"""

_VACCINES: Final = (
    (1, "EU/1/20/1528"),  # Comirnaty
    (2, "EU/1/20/1507"),  # Spikevax
    (3, "EU/1/21/1529"),  # Vaxzevria
    (4, "EU/1/20/1525"),  # Jcovden
    (6, "NVX-CoV2373"),
    (7, "Sputnik-V"),
    (8, "Convidecia"),
    (10, "BBIBP-CorV"),
    (11, "Inactivated-SARS-CoV-2-Vero-Cell"),
    (12, "CoronaVac"),
    (13, "Covaxin"),
    (14, "Covishield"),
    (15, "Covid-19-recombinant"),
    (16, "R-COVI"),
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
    # Approved neither by the EMA nor by the WHO, and in rules only together:
    (43, "CVnCoV", "EpiVacCorona", "CoviVac", "Sputnik-Light"),
)
"""Code and names. 5, 9, 17 and 18 were products of layout 2 that are now in 43."""

_TESTS: Final = {
    (TYPE_NAAT, NEGATIVE): NAAT,
    (TYPE_RAPID_ANTIGEN, NEGATIVE): RAPID_ANTIGEN,
    (TYPE_NAAT, POSITIVE): NAAT_POSITIVE,
    (TYPE_RAPID_ANTIGEN, POSITIVE): RAPID_ANTIGEN_POSITIVE,
    (TYPE_ANTIBODY, NEGATIVE): ANTIBODY,
    (TYPE_ANTIBODY, POSITIVE): ANTIBODY_POSITIVE,
}

_DEVICES: Final = {
    RAPID_ANTIGEN_2021: LISTED_2021,
    RAPID_ANTIGEN_2022: LISTED_2022,
    **{DEVICE_BASE + int(device): (device,) for device in SINGLE_DEVICES},
}
"""Devices by code."""

PRODUCTS: Final = (
    *(
        Product(code, EvidenceKind.VACCINATION, name)
        for code, *names in _VACCINES
        for name in names
    ),
    *(Product(code, EvidenceKind.TEST, f"{tt} {tr}") for (tt, tr), code in _TESTS.items()),
    *(
        Product(code, EvidenceKind.TEST, f"{TYPE_RAPID_ANTIGEN} {device}")
        for code, devices in _DEVICES.items()
        for device in devices
    ),
    Product(RECOVERY, EvidenceKind.RECOVERY, "recovery"),
)
"""A row for every name; products of one group have the same code."""

_MANY: Final = 6
"""Names that are said; of more only the number."""
_VACCINE_NAMES: Final[dict[int, tuple[str, ...]]] = {
    code: tuple(names) for code, *names in _VACCINES
}
_VACCINE_CODES: Final = {name: code for code, names in _VACCINE_NAMES.items() for name in names}
_DEVICE_CODES: Final = {device: code for code, devices in _DEVICES.items() for device in devices}
_TEST_TYPES: Final = {code: (tt, tr) for (tt, tr), code in _TESTS.items()}
_REGISTERED: Final = {
    kind: frozenset(product.code for product in PRODUCTS if product.kind is kind)
    for kind in EvidenceKind
}


def code_of_vaccine(mp: str) -> int:
    """The code of a vaccine by its product; `OTHER` for unknown ones.

    >>> code_of_vaccine("EU/1/20/1507"), code_of_vaccine("new")
    (2, 0)
    """
    return _VACCINE_CODES.get(mp, OTHER)


def names_of_vaccine(code: int) -> tuple[str, ...]:
    """Every `mp` of a registered code: one, or those of its group."""
    return _VACCINE_NAMES[code]


def code_of_test(tt: str, tr: str, device: str) -> int:
    """The code of a test by type, result and device; `OTHER` for other types and results.

    >>> code_of_test("LP217198-3", "260415000", "1232"), code_of_test("LP6464-4", "260373001", "")
    (1007, 1003)
    """
    code = _TESTS.get((tt, tr), OTHER)
    return _DEVICE_CODES.get(device, code) if code == RAPID_ANTIGEN else code


def members_of_test(code: int) -> tuple[tuple[str, str, str], ...]:
    """Every (tt, tr, ma) of a registered code; an empty `ma` where the device does not matter."""
    if code in _DEVICES:
        return tuple((TYPE_RAPID_ANTIGEN, NEGATIVE, device) for device in _DEVICES[code])
    return ((*_TEST_TYPES[code], ""),)


def registered(kind: EvidenceKind) -> frozenset[int]:
    """All codes of one kind, without `OTHER`."""
    return _REGISTERED[kind]


def label(code: int) -> str:
    """What a registered code is called: its names, or, of many devices, the first and how many.

    >>> label(2), label(1008)
    ('EU/1/20/1507', 'LP217198-3 770 and 128 others')
    """
    names = [product.name for product in PRODUCTS if product.code == code]
    return "/".join(names) if len(names) <= _MANY else f"{names[0]} and {len(names) - 1} others"
