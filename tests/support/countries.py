"""The rules that countries had in force on two days, as policies, and the evidence they judged."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from guosuo.certlogic.moments import read_moment
from guosuo.evidence.facts import EvidenceFact
from guosuo.policy.cases import fact_of
from guosuo.policy.document import PolicyDocument
from guosuo.policy.written import import_rules

DAYS = ("2022-01-28", "2022-06-13")
MONTH = 30 * 86_400


@cache
def matrix(vectors: Path, day: str) -> dict[str, Any]:
    """The acceptance matrix of a day."""
    read: dict[str, Any] = json.loads(
        (vectors / "dcc" / "acceptance-matrix" / f"{day}.json").read_bytes()
    )
    return read


@cache
def rules(vectors: Path, day: str) -> dict[str, list[Any]]:
    """Published rules by country."""
    files = sorted((vectors / "dcc" / "production-rules" / day).glob("??.json"))
    return {file.stem: json.loads(file.read_bytes())["rules"] for file in files}


def clock(vectors: Path, day: str) -> int:
    """The moment of the matrix."""
    return read_moment(matrix(vectors, day)["clock"]).milliseconds // 1000


@cache
def evidence(vectors: Path, day: str) -> tuple[EvidenceFact | None, ...]:
    """What each payload of the matrix proves; None for another disease."""
    return tuple(fact_of(entry["payload"]) for entry in matrix(vectors, day)["payloads"])


@cache
def policy(
    vectors: Path, day: str, country: str, *, region: str = "", now: int | None = None
) -> PolicyDocument:
    """A country's rules as a policy in force from the clock of the matrix, or from `now`."""
    start = clock(vectors, day) if now is None else now
    return import_rules(
        rules(vectors, day)[country],
        matrix(vectors, day)["valueSets"],
        region=region or country,
        policy="entry",
        version=1,
        now=start,
        not_after=start + MONTH,
    )


def countries(vectors: Path) -> list[tuple[str, str]]:
    """Every day and country of the material."""
    return [(day, country) for day in DAYS for country in rules(vectors, day)]
