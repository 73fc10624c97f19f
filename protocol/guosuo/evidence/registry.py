"""Registry of kinds of evidence and of products (vaccines, tests).

A product's code is part of the evidence integer, so the table is append-only:
a code is never changed, reused or removed. New rows go to the end (GS-EVID-4).
Vaccine names are the EU value set `vaccine-medicinal-product`, test types the
LOINC codes of the value set `test-type`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class EvidenceKind(IntEnum):
    """What a document proves; the number is part of the evidence integer."""

    VACCINATION = 1
    TEST = 2
    RECOVERY = 3


OTHER: Final = 0
"""Code of every product the registry does not know; no rule accepts it unless it says so."""


@dataclass(frozen=True, slots=True)
class Product:
    """One row: a code below 2^16 and the name that documents use."""

    code: int
    kind: EvidenceKind
    name: str


NAAT: Final = 1001
"""Nucleic acid amplification test (PCR and its kin)."""
RAPID_ANTIGEN: Final = 1002
RECOVERY: Final = 2001
"""Recovery after a first positive NAAT; documents name no product for it."""

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
)

PRODUCTS: Final = (
    *(Product(code, EvidenceKind.VACCINATION, name) for code, name in _VACCINES),
    Product(NAAT, EvidenceKind.TEST, "LP6464-4"),
    Product(RAPID_ANTIGEN, EvidenceKind.TEST, "LP217198-3"),
    Product(RECOVERY, EvidenceKind.RECOVERY, "recovery"),
)

_CODES: Final = {(product.kind, product.name): product.code for product in PRODUCTS}
_REGISTERED: Final = {
    kind: frozenset(product.code for product in PRODUCTS if product.kind is kind)
    for kind in EvidenceKind
}


def product_code(kind: EvidenceKind, name: str) -> int:
    """The code of a product by the name documents use; `OTHER` for an unknown one, never an error.

    >>> product_code(EvidenceKind.VACCINATION, "EU/1/20/1507")
    2
    """
    return _CODES.get((kind, name), OTHER)


def registered(kind: EvidenceKind) -> frozenset[int]:
    """All codes of one kind, without `OTHER`."""
    return _REGISTERED[kind]
