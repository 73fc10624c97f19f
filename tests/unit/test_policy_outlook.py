"""What a wallet says about gates is what gates say: also shortly before a limit."""

import itertools
from dataclasses import replace

import pytest

from guosuo.certlogic.evaluate import Result
from guosuo.errors import CallerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import EvidenceKind
from guosuo.policy.clear import accepts
from guosuo.policy.document import PolicyDocument
from guosuo.policy.simple import Way, simple_policy
from guosuo.roles.outlook import Cause, Outlook, look_out
from guosuo.roles.verdict import Verdict
from guosuo.roles.wallet import Wallet
from tests.support.world import DAY, EPOCH, POLICY, TESTS_72_H, ZERO, World, clause, fact

HOUR = 3600
HOME, GATE = "440000", "110000"
CLOCK = World((GATE, HOME)).federation.clock
NOW = CLOCK.start(600) + EPOCH // 2
"""When everybody shows under the list of the present epoch, 600."""


def version(
    *ways: Way, number: int = 1, start: int = ZERO, end: int = NOW + 30 * DAY
) -> PolicyDocument:
    return simple_policy(
        ways, region=GATE, policy=POLICY, version=number, not_before=start, not_after=end
    )


def ask(evidence: EvidenceFact, *versions: PolicyDocument, now: int = NOW) -> Outlook:
    return look_out(versions, evidence, now, "en", CLOCK)


def aged(hours: int) -> EvidenceFact:
    return fact(event_time=NOW - hours * HOUR)


def shows(world: World, wallet: Wallet) -> bool:
    try:
        return world.cross(wallet, GATE).verdict is Verdict.ACCEPT
    except CallerError as error:
        assert error.reason is Reason.NOT_ACCEPTED_THERE  # noqa: PT017 - either may come
        return False


@pytest.mark.parametrize("hours", [60, 63, 66, 70])
def test_it_is_what_the_gate_says_epoch_after_epoch(hours: int) -> None:
    """A test that grows old: the wallet knows when the gate will refuse it for the first time."""
    world = World((GATE, HOME), policies={GATE: TESTS_72_H, HOME: TESTS_72_H})
    start, evidence = world.now, fact(event_time=world.now - (hours - 12) * HOUR)
    document = simple_policy(
        TESTS_72_H, region=GATE, policy=POLICY, version=1, not_before=start,
        not_after=start + 365 * DAY,
    )  # fmt: skip
    wallet = world.holder(HOME, evidence)
    world.turn()
    world.refresh(wallet)
    clock, verdicts = world.federation.clock, []
    first = look_out([document], evidence, world.now, "en", clock)
    for _ in range(7):
        found = look_out([document], evidence, world.now, "en", clock)
        verdicts.append(shows(world, wallet))
        assert (found.result is Result.SATISFIED) is verdicts[-1]
        if verdicts[-1]:
            assert found.changes_at == first.changes_at
            assert found.changes_at is not None
            assert world.now < found.changes_at <= evidence.event_time + 72 * HOUR + 1
        else:
            assert found.changes_at is None
            assert found.reasons[0][0] == "TR-CN-0001"
        world.turn()
        world.refresh(wallet)
    assert verdicts == sorted(verdicts, reverse=True)
    assert verdicts[0]
    assert not verdicts[-1]


def test_refused_before_the_limit_with_the_rule_and_its_moment() -> None:
    """70 hours old: the rules take it for two hours more, the table does not any more."""
    document = version(*TESTS_72_H)
    evidence = aged(70)
    assert accepts(document, evidence, NOW)
    found = ask(evidence, document)
    assert (found.result, found.cause) == (Result.NOT_SATISFIED, Cause.HOURS)
    assert found.fails_at == evidence.event_time + 72 * HOUR + 1
    assert found.reasons == (("TR-CN-0001", "test clause"),)
    assert found.changes_at is None
    assert ask(aged(50), document).result is Result.SATISFIED


def test_refused_after_a_beginning_until_a_key_began_later() -> None:
    """Two hours of the key's life lie before the limit: so the next key's value does."""
    midnight = NOW - NOW % DAY
    shot = fact(
        EvidenceKind.VACCINATION, product=1, doses=2, series=2, event_time=midnight - 14 * DAY
    )
    document = version(clause(EvidenceKind.VACCINATION, max_hours=None, min_hours=14 * 24))
    now = midnight + HOUR // 2
    found = ask(shot, document, now=now)
    assert accepts(document, shot, now)
    assert (found.result, found.cause) == (Result.NOT_SATISFIED, Cause.HOURS)
    assert found.fails_at is not None
    assert found.fails_at < midnight
    assert found.changes_at is not None
    assert midnight < found.changes_at <= midnight + 2 * EPOCH
    assert ask(shot, document, now=found.changes_at).result is Result.SATISFIED
    assert ask(shot, document, now=found.changes_at - 1).result is Result.NOT_SATISFIED


@pytest.mark.parametrize("hours", range(0, 80, 7))
@pytest.mark.parametrize("offset", [0, EPOCH // 3 - 1, EPOCH // 3, EPOCH - 1])
def test_changes_are_where_the_answer_changes(hours: int, offset: int) -> None:
    document, evidence = version(*TESTS_72_H, end=NOW + 4 * DAY), aged(hours)
    now = CLOCK.start(600) + offset
    found = ask(evidence, document, now=max(now, evidence.event_time))
    if found.changes_at is None:
        assert found.result is not Result.SATISFIED
        return
    before = ask(evidence, document, now=found.changes_at - 1)
    after = ask(evidence, document, now=found.changes_at)
    assert (before.result is Result.SATISFIED) is (found.result is Result.SATISFIED)
    assert (after.result is Result.SATISFIED) is not (found.result is Result.SATISFIED)
    assert before.changes_at == found.changes_at


def test_rules_and_kinds() -> None:
    found = ask(aged(80), version(*TESTS_72_H))
    assert (found.cause, found.reasons[0][0]) == (Cause.RULES, "TR-CN-0001")
    vaccinations = version(clause(EvidenceKind.VACCINATION, max_hours=None))
    found = ask(aged(1), vaccinations)
    assert (found.result, found.cause, found.reasons) == (Result.NOT_SATISFIED, Cause.KIND, ())


def test_a_version_to_come_ends_what_is_accepted_now_or_begins_it() -> None:
    vaccinations = (clause(EvidenceKind.VACCINATION, max_hours=None),)
    tomorrow = NOW + DAY // 2
    old, new = version(*TESTS_72_H), version(*vaccinations, number=2, start=tomorrow)
    evidence = aged(1)
    assert ask(evidence, old).changes_at != tomorrow
    assert ask(evidence, old, new).changes_at == tomorrow
    assert (
        ask(evidence, old, replace(new, version=1), replace(old, version=2)).changes_at != tomorrow
    )
    shot = fact(EvidenceKind.VACCINATION, product=1, doses=2, series=2, event_time=NOW - 40 * DAY)
    found = ask(shot, old, new)
    assert (found.cause, found.changes_at) == (Cause.KIND, tomorrow)
    assert ask(shot, old).changes_at is None


def test_the_end_of_all_versions_is_an_end() -> None:
    always = version(clause(EvidenceKind.VACCINATION, max_hours=None), end=NOW + DAY)
    shot = fact(EvidenceKind.VACCINATION, product=1, doses=2, series=2, event_time=NOW - 40 * DAY)
    assert ask(shot, always).changes_at == NOW + DAY
    over = ask(shot, always, now=NOW + DAY)
    assert (over.result, over.cause) == (Result.OPEN, None)


def test_evidence_that_counts_as_other_evidence_with_it() -> None:
    """Of holders whose age is not known few ages of a vaccination are told apart."""
    document = version(clause(EvidenceKind.VACCINATION, max_hours=None, min_hours=10 * 24))
    midnight = NOW - NOW % DAY
    shot = fact(
        EvidenceKind.VACCINATION, product=1, doses=2, series=2, event_time=midnight - 12 * DAY
    )
    assert accepts(document, shot, NOW)
    found = ask(shot, document)
    assert (found.result, found.cause) == (Result.NOT_SATISFIED, Cause.TOGETHER)
    assert found.changes_at is not None
    known = replace(shot, born=midnight - 10_000 * DAY)
    assert ask(known, document).result is Result.SATISFIED


def test_in_the_first_epochs_there_are_fewer_keys() -> None:
    document = version(*TESTS_72_H)
    for now, hours in itertools.product((ZERO, ZERO + EPOCH // 3, ZERO + EPOCH), (0, 30)):
        evidence = fact(event_time=now - hours * HOUR)
        assert ask(evidence, document, now=now).result is Result.SATISFIED
