"""People who do not exist, with health records, made from a seed.

Names are two syllables put together, birth dates run through the calendar, identity
documents are of the type "99, other" with numbers that no authority gives out: nobody
real can be among them.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from base64 import b32encode
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from guosuo.evidence.private import Private
from guosuo_node.adapter.records import (
    HealthRecord,
    Outcome,
    PersonRecord,
    RecordKind,
    TestRecord,
    VaccinationRecord,
)

MAX_PEOPLE: Final = 29_000

_SURNAMES: Final = (
    *("赵ZHAO", "钱QIAN", "孙SUN", "李LI", "周ZHOU", "吴WU"),
    *("郑ZHENG", "王WANG", "冯FENG", "陈CHEN", "卫WEI", "蒋JIANG"),
)
_SYLLABLES: Final = (
    *("一YI", "云YUN", "山SHAN", "石SHI", "江JIANG"),
    *("松SONG", "雨YU", "星XING", "禾HE", "竹ZHU"),
)
_VACCINES: Final = ("BBIBP-CorV", "CoronaVac", "WIBP-CorV", "Inactivated-SARS-CoV-2-Vero-Cell")
_FIRST_BIRTH: Final = date(1930, 1, 1)
_STEP: Final = 7919
"""Prime to `MAX_PEOPLE`: the first so many have different birth dates."""
_CHINA: Final = timezone(timedelta(hours=8))
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, repr=False)
class InventedPerson(Private):
    """Somebody who does not exist."""

    identification: str
    """What the stand-in takes for his electronic identity."""
    name: str
    """In Chinese characters."""
    document: tuple[str, str]
    """Type and number of his identity document."""
    record: PersonRecord
    records: tuple[HealthRecord, ...]
    """The first is a negative nucleic acid test of the last day, the second a vaccination."""


def invent(seed: int, count: int, *, now: int, division: str = "440000") -> list[InventedPerson]:
    """`count` people (1 to `MAX_PEOPLE`) with records up to `now`, Unix seconds.

    The same arguments give the same people; more of them begin with the same ones.
    """
    if not 1 <= count <= MAX_PEOPLE:
        raise ValueError("from 1 to 29000 people")
    return [_person(seed, index, now, division) for index in range(count)]


def _person(seed: int, index: int, now: int, division: str) -> InventedPerson:
    dice = random.Random(f"{seed}/{index}")  # noqa: S311 - invented people, the same each time
    surname, *syllables = dice.choice(_SURNAMES), dice.choice(_SYLLABLES), dice.choice(_SYLLABLES)
    number = f"INV-{index:06}"
    record = PersonRecord(
        person=number,
        family_name=surname[1:],
        given_names="".join(syllable[1:] for syllable in syllables),
        born=(_FIRST_BIRTH + (index * _STEP % MAX_PEOPLE) * _DAY).isoformat(),
    )
    token = hmac.digest(f"{seed}".encode(), number.encode(), hashlib.sha256)
    return InventedPerson(
        identification=b32encode(token).decode()[:26],
        name="".join(part[0] for part in (surname, *syllables)),
        document=("99", f"INVENTED{index:06}"),
        record=record,
        records=_records(dice, number, datetime.fromtimestamp(now, UTC), division),
    )


def _records(
    dice: random.Random, person: str, now: datetime, division: str
) -> tuple[HealthRecord, ...]:
    def test(number: int, hours: int, result: Outcome) -> TestRecord:
        moment = now - timedelta(hours=hours, minutes=dice.randrange(60))
        return TestRecord(
            kind=RecordKind.NUCLEIC_ACID_TEST,
            number=f"{person}-T{number}",
            person=person,
            division=division,
            organisation="Invented laboratory",
            sampled=moment.astimezone(_CHINA).isoformat(timespec="seconds"),
            result=result,
        )

    product, series = dice.choice(_VACCINES), dice.choice((2, 3))
    last = dice.randrange(20, 200)

    def shot(dose: int) -> VaccinationRecord:
        day = now.astimezone(_CHINA).date() - (last + (series - dose) * 30) * _DAY
        return VaccinationRecord(
            kind=RecordKind.VACCINATION,
            number=f"{person}-V{dose}",
            person=person,
            division=division,
            organisation="Invented clinic",
            product=product,
            dose=dose,
            series=series,
            day=day.isoformat(),
        )

    results = [Outcome.NEGATIVE] * 6 + [Outcome.POSITIVE, Outcome.INVALID]
    earlier = [
        test(number, dice.randrange(24 * number, 24 * 30), dice.choice(results))
        for number in range(2, 2 + dice.randrange(3))
    ]
    return (
        test(1, dice.randrange(1, 20), Outcome.NEGATIVE),
        shot(series),
        *(shot(dose) for dose in range(1, series)),
        *earlier,
        test(9, 0, Outcome.PENDING),
    )
