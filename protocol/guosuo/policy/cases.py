"""Other people's rules and their expectations, held against this implementation.

Reads the forms of the EU material: published rules of a country (`{"country", "rules"}`,
with test cases beside each rule or without), and a matrix of the same evidence judged
by many countries (`{"clock", "valueSets", "payloads", "results"}`). Every case is asked
twice: in clear, and through the compiled set, at an instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from guosuo.certlogic.evaluate import Result, decide
from guosuo.certlogic.moments import read_moment
from guosuo.certlogic.rules import Surroundings, read_rule
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import COVID_19, EvidenceFact, fact_from_entry
from guosuo.evidence.payload import read_payload
from guosuo.evidence.registry import NEGATIVE, PROPHYLAXES, TYPE_NAAT, EvidenceKind
from guosuo.evidence.value import value_at
from guosuo.policy.compiler import accepts_value, find_faults
from guosuo.policy.document import PolicyDocument, judge_document
from guosuo.policy.reading import Fault, Reading, read_logic
from guosuo.policy.sampling import GROUPS
from guosuo.policy.written import import_rules, make_document

MAX_SHOWN: Final = 20
"""Disagreements that are told one by one."""
MONTH: Final = 30 * 86_400

Rules = Mapping[str, list[Any]]
"""Published rules, as JSON values, by country."""

_ALWAYS: Final = {"ValidFrom": "1970-01-01T00:00:00Z", "ValidTo": "2999-12-31T00:00:00Z"}
_ISSUED: Final[dict[str, Any]] = {"tg": COVID_19, "co": "LU", "is": "Ministry", "ci": "LU/1"}
_BORN: Final = "1990-01-01"
_USUAL: Final[dict[EvidenceKind, dict[str, Any]]] = {
    EvidenceKind.VACCINATION: _ISSUED
    | {"vp": PROPHYLAXES[0], "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
    | {"dn": 2, "sd": 2, "dt": "2021-06-01"},
    EvidenceKind.TEST: _ISSUED | {"tt": TYPE_NAAT, "tr": NEGATIVE, "sc": "2021-06-01T00:00:00Z"},
    EvidenceKind.RECOVERY: _ISSUED | {"fr": "2021-06-01", "df": "2021-06-12", "du": "2021-11-28"},
}
"""Members of documents of each kind."""
_WORDS: Final = {Result.SATISFIED: "accept", Result.NOT_SATISFIED: "reject", Result.OPEN: "open"}


@dataclass(slots=True)
class Agreement:
    """How one country's cases came out."""

    country: str
    cases: int = 0
    clear: int = 0
    """Cases in which the evaluation in clear agrees."""
    evidence: int = 0
    """Cases whose document a node would enrol: of this disease, whole, and with one entry."""
    table: int = 0
    """Of these, cases in which the compiled set agrees."""
    faults: tuple[Fault, ...] = ()
    """Rules that cannot be proven; of a matrix, such a country has no table, of cases beside
    each rule, these rules have none."""
    left_out: tuple[str, ...] = ()
    """Rules that have cases, but are not among those that are tested."""
    differing: list[str] = field(default_factory=list)
    """The first `MAX_SHOWN` disagreements, in words."""

    @property
    def agrees(self) -> bool:
        """Whether every case agreed both ways, as far as there is a table."""
        return (self.clear, self.table) == (self.cases, self.evidence)

    def count(self, name: str, *, expected: str, clear: str, table: bool | None) -> None:
        """One case: what is expected, what the rules say, and whether the table has it.

        `table` is None for what is no evidence, or has no table.
        """
        accepted = expected == "accept"
        self.cases += 1
        self.clear += clear == expected
        self.evidence += table is not None
        self.table += table is accepted
        if clear != expected:
            self._differs(f"{name}: in clear: {clear} instead of {expected}")
        elif table is not None and table is not accepted:
            self._differs(f"{name}: the table {'accepts' if table else 'refuses'} it")

    def _differs(self, text: str) -> None:
        if len(self.differing) < MAX_SHOWN:
            self.differing.append(text)


def read_country(value: object) -> tuple[str, list[Any]]:
    """The country and the published rules of a file, with or without test cases."""
    if not isinstance(value, dict) or not isinstance(value.get("rules"), list):
        raise PeerError(Reason.RULE_SYNTAX, "not a country's rules")
    rules = [
        entry["rule"] if isinstance(entry, dict) and "rule" in entry else entry
        for entry in value["rules"]
    ]
    return str(value.get("country", value.get("region", ""))), rules


def read_sets(value: object) -> dict[str, list[str]]:
    """Value sets: lists of codes by name."""
    sets = {name: _listing(codes) for name, codes in _mapping(value).items()}
    if not all(isinstance(code, str) for codes in sets.values() for code in codes):
        raise PeerError(Reason.RULE_SYNTAX, "value sets are lists of codes by their names")
    return sets


def judge_matrix(rules: Rules, matrix: object) -> Iterator[Agreement]:
    """A matrix held against the rules of the countries that both name."""
    whole = _mapping(matrix)
    clock, sets = _clock(_member(whole, "clock")), read_sets(_member(whole, "valueSets"))
    given = {
        country: [_expected(result) for result in _listing(results)]
        for country, results in _mapping(_member(whole, "results")).items()
    }
    payloads = [_member(_mapping(e), "payload") for e in _listing(_member(whole, "payloads"))]
    if any(len(results) != len(payloads) for results in given.values()):
        raise PeerError(Reason.RULE_SYNTAX, "not one result for each payload of the matrix")
    facts = [fact_of(payload) for payload in payloads]
    for country in sorted(rules.keys() & given.keys()):
        document = import_rules(
            rules[country],
            sets,
            region=country,
            policy="entry",
            version=1,
            now=clock,
            not_after=clock + MONTH,
        )
        found = Agreement(country, faults=find_faults(document))
        for number, (payload, fact) in enumerate(zip(payloads, facts, strict=True)):
            table = None
            if fact is not None and not found.faults:
                table = _in_table(document, fact, clock)
            found.count(
                f"payload {number}",
                expected=given[country][number],
                clear=_judged(document, payload, clock),
                table=table,
            )
        yield found


def judge_own_cases(value: object, value_sets: object, rules: list[Any] | None = None) -> Agreement:
    """Rules held against the test cases that their country published beside each.

    `rules`: those to be tested, by identifier; of several versions that of the cases, or else
    the highest; the country's own if left out. `value_sets`: the sets that cases name, by
    that name.
    """
    country, own = read_country(value)
    found = Agreement(country)
    named = {name: read_sets(sets) for name, sets in _mapping(value_sets).items()}
    faults: set[Fault] = set()
    for entry in map(_mapping, _listing(_member(_mapping(value), "rules"))):
        published = _mapping(_member(entry, "rule"))
        chosen = _version_of(published, own if rules is None else rules)
        if chosen is None:
            found.left_out += (str(_member(published, "Identifier")),)
            continue
        rule = {**chosen, **_ALWAYS}
        parsed = read_rule(rule)
        for case in map(_mapping, _listing(_member(entry, "tests"))):
            payload = _member(case, "payload")
            outside = _mapping(_member(case, "external"))
            sets = named.get(str(_member(outside, "valueSets")))
            if sets is None:
                raise PeerError(Reason.RULE_SYNTAX, "a case names value sets that are not there")
            clock = _clock(outside.get("validationClock", "2021-09-01T00:00:00Z"))
            external = Surroundings(clock=clock, value_sets=sets).external()
            if "validationClock" not in outside:
                external.pop("validationClock")
            result = decide(parsed.logic, {"payload": payload, "external": external}).result
            document = _alone(rule, sets, clock)
            faults.update(find_faults(document))
            found.count(
                f"{parsed.identifier}: {case.get('name', case.get('file', ''))}",
                expected="accept" if _member(case, "expected") is True else "reject",
                clear=_WORDS[result],
                table=_single(document, payload, clock),
            )
    found.faults = tuple(sorted(faults))
    return found


def _version_of(published: dict[str, Any], rules: list[Any]) -> dict[str, Any] | None:
    """The rule to be tested by the cases of a published one; None if it is not there."""
    same = [
        rule
        for rule in map(_mapping, rules)
        if _member(rule, "Identifier") == _member(published, "Identifier")
    ]
    versions = [(read_rule(rule).version, rule) for rule in same]
    wanted = read_rule(published).version
    exact = [rule for version, rule in versions if version == wanted]
    if exact:
        return exact[0]
    return max(versions, key=lambda pair: pair[0])[1] if versions else None


def fact_of(payload: object) -> EvidenceFact | None:
    """The evidence in a payload without a name, signed by nobody; None if it is none."""
    if not isinstance(payload, dict):
        return None
    try:
        whole: dict[Any, Any] = {"ver": "1.3.0", "dob": "", **payload, "nam": {"fnt": "NOBODY"}}
        holder, entry = read_payload(whole)
        return fact_from_entry(entry, holder, bytes(32))
    except PeerError:
        return None


def kind_of(payload: object) -> EvidenceKind | None:
    """The kind of the entry in a payload, if there is one."""
    if not isinstance(payload, dict):
        return None
    return next((kind for kind, group in GROUPS.items() if payload.get(group)), None)


def _alone(rule: dict[str, Any], sets: Mapping[str, Iterable[str]], clock: int) -> PolicyDocument:
    """A policy of one rule alone, in force at a moment."""
    return make_document(
        region="EU",
        policy="rule",
        version=1,
        not_before=clock,
        not_after=clock + 1,
        accepts=tuple(EvidenceKind),
        rules=[{**rule, "CertificateType": "General"}],
        value_sets=sets,
    )


def _single(document: PolicyDocument, payload: object, clock: int) -> bool | None:
    """Whether the set that a policy of one rule compiles to has a case's document."""
    fact = fact_of(_completed(payload, read_logic(document.parsed[0])))
    if fact is None or find_faults(document):
        return None
    return _in_table(document, fact, clock)


def _completed(payload: object, reading: Reading) -> object:
    """Cases write down only what their rule reads; a document has the other members, too."""
    kind = kind_of(payload)
    if kind is None or not isinstance(payload, dict):
        return payload
    group = GROUPS[kind]
    entries = payload[group]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return payload
    read = {path[-1] for path in reading.values | reading.truths}
    others = {name: value for name, value in _USUAL[kind].items() if name not in read}
    # Nobody can enrol a document without a birth date.
    born = {} if "dob" in read else {"dob": _BORN}
    return {**born, **payload, group: [{**others, **entry} for entry in entries]}


def _in_table(document: PolicyDocument, fact: EvidenceFact, clock: int) -> bool:
    return accepts_value(document, value_at(fact, start=clock, end=clock + 1), 1)


def _judged(document: PolicyDocument, payload: object, clock: int) -> str:
    """As a matrix writes it: accept, or the rules that reject, or that are open."""
    kind = kind_of(payload)
    judgement = None if kind is None else judge_document(document, kind, payload, clock)
    if judgement is None:
        return "reject"
    if judgement.result is Result.SATISFIED:
        return "accept"
    if judgement.rejecting:
        return f"reject {' '.join(judgement.rejecting)}"
    return f"open {' '.join(judgement.open)}"


def _expected(result: object) -> str:
    if result == "accept":
        return "accept"
    if isinstance(result, dict) and len(result) == 1:
        ((word, identifiers),) = result.items()
        if not all(isinstance(identifier, str) for identifier in _listing(identifiers)):
            raise PeerError(Reason.RULE_SYNTAX, "not a result of an acceptance matrix")
        return f"{word} {' '.join(identifiers)}"
    raise PeerError(Reason.RULE_SYNTAX, "not a result of an acceptance matrix")


def _clock(text: object) -> int:
    if not isinstance(text, str):
        raise CallerError(Reason.ARGUMENT, "a clock is written as 2022-01-18T12:00:00Z")
    return read_moment(text).milliseconds // 1000


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PeerError(Reason.RULE_SYNTAX, "not an object where rules and cases have one")
    return value


def _listing(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise PeerError(Reason.RULE_SYNTAX, "not a list where rules and cases have one")
    return value


def _member(value: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    if name not in value:
        raise PeerError(Reason.RULE_SYNTAX, "a member of the cases is missing")
    return value[name]
