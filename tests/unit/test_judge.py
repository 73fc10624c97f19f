"""The judge: four judgements, which keys lists hold, and no dependence on the order of facts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guosuo.errors import CallerError, Reason
from guosuo.federation.audit import examine_epoch, void_rule
from guosuo.federation.entries import status_bits
from guosuo.federation.judge import (
    Exposed,
    Fact,
    Finding,
    Fork,
    Judge,
    Missing,
    Rule,
    Ruling,
    Shared,
    Void,
    join,
)
from guosuo.federation.lists import Listing, PublishedList, due, is_ended, listing
from guosuo.federation.records import Kind, LogEntry, digest, sign
from guosuo.scheme import KeyId
from tests.support.liars import Draft, fork
from tests.support.world import World

A, B, C = "110000", "330000", "440000"
REGIONS = (A, B, C)


def key(epoch: int, revision: int = 0, region: str = A) -> KeyId:
    return KeyId(region, epoch, revision)


def good(epoch: int, revision: int = 0, region: str = A, **change: object) -> Finding:
    name = key(epoch, revision, region)
    entry = f"{region}/{epoch}/{revision}".encode()
    return replace(Finding(name, entry, b"state"), **change)  # type: ignore[arg-type]


def held(epoch: int, revision: int = 0) -> Finding:
    return good(epoch, revision, left_out=frozenset({7}))


def judge(facts: Iterable[Fact], *, late: int = 3, hold: int = 3) -> Judge:
    made = Judge(REGIONS, hold_epochs=hold, late_epochs=late)
    for fact in facts:
        made.learn(fact)
    return made


def rulings(made: Judge, epochs: Iterable[int], region: str = A) -> list[str]:
    return [made.judged(region, t).ruling.value for t in epochs]


def listed(made: Judge, epoch: int, region: str = A, **limits: int) -> list[tuple[int, int]]:
    found = listing(made, epoch, **limits)  # type: ignore[arg-type]  # late_epochs
    return [(k.epoch, k.revision) for k in found.of(region)]


# --- the four judgements ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "ruling", "rule"),
    [
        (good(5), Ruling.ADMIT, Rule.CONFORMS),
        (held(5), Ruling.HOLD, Rule.LEFT_OUT),
        (good(5, failing=frozenset({0})), Ruling.HOLD, Rule.BUCKET_FAILS),
        (good(5, witnessed=False), Ruling.LATE, Rule.NOT_WITNESSED),
        (good(5, unread=None), Ruling.LATE, Rule.NOT_READABLE),
        (good(5, unread=frozenset({16})), Ruling.LATE, Rule.NOT_READABLE),
        # Something is unread: what is known to be wrong may not be all.
        (good(5, unread=frozenset({16}), left_out=frozenset({1})), Ruling.LATE, Rule.NOT_READABLE),
        # A bucket that fails need not be had.
        (good(5, unread=frozenset({0}), failing=frozenset({0})), Ruling.HOLD, Rule.BUCKET_FAILS),
        (good(5, refused=Rule.SUSPENDED_SIGNED), Ruling.REFUSE, Rule.SUSPENDED_SIGNED),
        (
            good(5, refused=Rule.ALLOTMENT, left_out=frozenset({1}), unread=None),
            Ruling.REFUSE,
            Rule.ALLOTMENT,
        ),
        (good(5, refused=Rule.BOARD, witnessed=False), Ruling.LATE, Rule.NOT_WITNESSED),
    ],
)
def test_one_entry_is_judged_by_what_was_found(
    finding: Finding, ruling: Ruling, rule: Rule
) -> None:
    judged = judge([finding]).judged(A, 5)
    assert (judged.ruling, judged.rule) == (ruling, rule)
    assert judged.entry == finding.entry
    assert (judged.key == finding.key) is (ruling in (Ruling.ADMIT, Ruling.HOLD))


def test_no_entry_is_late_and_one_that_does_not_conform_refused() -> None:
    made = judge([good(4)])
    assert made.judged(A, 5).rule is Rule.NO_ENTRY
    made.learn(Void(A, 5, b"void", Rule.POSSESSION))
    assert (made.judged(A, 5).ruling, made.judged(A, 5).rule) == (Ruling.REFUSE, Rule.POSSESSION)
    # It is void: the entry that comes after it counts.
    made.learn(good(5))
    assert made.judged(A, 5).ruling is Ruling.ADMIT


def test_an_epoch_is_judged_again_when_bytes_arrive() -> None:
    made = judge([good(4), good(5, witnessed=False, unread=None)])
    seen = [made.judged(A, 5).rule]
    for step in (
        good(5, unread=None),
        good(5, unread=frozenset({0, 16})),
        good(5, unread=frozenset({16})),
        good(5),
    ):
        made.learn(step)
        seen.append(made.judged(A, 5).rule)
    assert seen == [
        Rule.NOT_WITNESSED,
        Rule.NOT_READABLE,
        Rule.NOT_READABLE,
        Rule.NOT_READABLE,
        Rule.CONFORMS,
    ]
    # And again when a report turns out to be true.
    made.learn(good(5, failing=frozenset({0})))
    assert made.judged(A, 5).ruling is Ruling.HOLD
    # Nothing that comes later takes a fault back.
    made.learn(good(5))
    assert made.judged(A, 5).ruling is Ruling.HOLD


def test_two_other_regions_make_a_missing_bucket_a_failing_one() -> None:
    made = judge([good(5, unread=frozenset({16}))])
    made.learn(Missing(A, key(5), 16))
    made.learn(Missing("999999", key(5), 16))
    made.learn(Missing(B, key(5), 16))
    made.learn(Missing(B, key(5), 16))
    made.learn(Missing(C, key(5), 0))
    assert made.judged(A, 5).ruling is Ruling.LATE
    made.learn(Missing(C, key(5), 16))
    assert (made.judged(A, 5).ruling, made.judged(A, 5).rule) == (Ruling.HOLD, Rule.BUCKET_MISSING)


def test_a_conforming_revision_ends_hold_and_refuse_of_its_epoch() -> None:
    for first in (held(5), good(5, refused=Rule.BOARD)):
        made = judge([good(4), first, good(5, 1)])
        assert made.judged(A, 5).ruling is Ruling.ADMIT
        assert listed(made, 5) == [(4, 0), (5, 1)]
    # A worse revision takes nothing away, one that may still come keeps the question open.
    assert judge([good(5), held(5, 1)]).judged(A, 5).key == key(5)
    assert judge([held(5), held(5, 1)]).judged(A, 5).key == key(5, 1)
    both = judge([good(5, refused=Rule.BOARD), good(5, 1, unread=None)])
    assert both.judged(A, 5).ruling is Ruling.LATE


def test_an_epoch_has_two_revisions_and_two_for_stolen_keys() -> None:
    assert judge([held(5), held(5, 1), good(5, 2)]).judged(A, 5).ruling is Ruling.ADMIT
    assert judge([held(5), held(5, 1), held(5, 2), good(5, 3)]).judged(A, 5).ruling is Ruling.HOLD
    cuts = [good(5, r, cuts=frozenset({key(5, r - 1)})) for r in (1, 2)]
    made = judge([good(5), *cuts, good(5, 3), good(5, 4)])
    assert made.judged(A, 5).key == key(5, 4)
    third = good(5, 5, cuts=frozenset({key(5, 4)}))
    made.learn(third)
    assert key(5, 4) not in made.cuts(A)


# --- which keys lists hold ----------------------------------------------------------------


def test_lists_hold_the_admitted_keys_of_t_and_of_the_epoch_before() -> None:
    made = judge([good(3), good(4), good(5)])
    assert listed(made, 5) == [(4, 0), (5, 0)]
    assert dict(listing(made, 5).absent) == {B: "no-entry", C: "no-entry"}
    assert listing(made, 5).ends == 7


def test_a_hold_lists_the_new_the_one_before_and_the_last_admitted_key() -> None:
    made = judge([good(3), good(4), held(5), held(6), held(7), held(8)])
    assert listed(made, 5) == [(4, 0), (5, 0)]
    assert listed(made, 6) == [(4, 0), (5, 0), (6, 0)]
    # The list of 7 ends at 9, after 5 + hold_max.
    assert listed(made, 7) == [(6, 0), (7, 0)]
    assert listed(made, 8) == [(7, 0), (8, 0)]
    longer = judge([good(4), held(5), held(6), held(7)], hold=4)
    assert listed(longer, 7) == [(4, 0), (6, 0), (7, 0)]


def test_a_hold_is_counted_once_and_ends_with_the_next_admitted_epoch() -> None:
    made = judge([good(4), held(5), held(7), held(8)])
    assert rulings(made, range(5, 9)) == ["hold", "late", "hold", "hold"]
    assert made.judged(A, 8).since == 5
    assert (4, 0) not in listed(made, 7)
    made.learn(good(6))
    assert made.judged(A, 8).since == 7
    assert listed(made, 7) == [(6, 0), (7, 0)]
    assert listed(made, 8) == [(6, 0), (7, 0), (8, 0)]
    # After the end of a hold its keys are not listed any more.
    assert listed(made, 6) == [(6, 0)]


def test_late_epochs_before_a_hold_do_not_begin_it() -> None:
    made = judge([good(4), held(7)])
    assert made.judged(A, 7).since == 7
    assert listed(made, 7) == [(4, 0), (7, 0)]


def test_a_late_region_keeps_its_last_admitted_key_for_late_max() -> None:
    made = judge([good(3), good(4)])
    assert [listed(made, t) for t in range(5, 10)] == [[(4, 0)]] * 4 + [[]]
    assert dict(listing(made, 9).absent)[A] == "no-entry"
    assert [listed(made, t, late_epochs=0) for t in (5, 6)] == [[(4, 0)], []]
    # A gate cannot be more generous than the charter.
    assert listed(made, 9, late_epochs=9) == []
    assert listed(judge([good(4)], late=0), 6) == []


def test_a_refused_epoch_is_as_a_late_one() -> None:
    made = judge([good(4), good(5, refused=Rule.SUSPENDED_SIGNED)])
    late = judge([good(4)])
    assert [listed(made, t) for t in range(5, 10)] == [listed(late, t) for t in range(5, 10)]
    assert dict(listing(judge([good(5, refused=Rule.BOARD)]), 5).absent)[A] == "board"


def test_a_late_region_in_a_hold_keeps_the_held_and_the_last_admitted_key() -> None:
    made = judge([good(4), held(5)])
    assert [listed(made, t) for t in range(6, 11)] == [
        [(4, 0), (5, 0)],
        [(5, 0)],
        [(5, 0)],
        [(5, 0)],
        [],
    ]


def test_a_key_of_long_ago_does_not_come_back_by_a_hold() -> None:
    made = judge([good(4), held(20), held(21)])
    assert listed(made, 20) == [(20, 0)]
    assert listed(made, 21) == [(20, 0), (21, 0)]
    # As long as lateness and hold together give, it does.
    assert (4, 0) in listed(judge([good(4), held(11)]), 11)
    assert (4, 0) not in listed(judge([good(4), held(12)]), 12)


def test_a_key_in_two_logs_is_refused() -> None:
    made = judge([good(4), good(5), good(5, region=B), Shared(key(5)), Shared(key(5, 0, B))])
    assert listed(made, 5) == [(4, 0)]
    assert listed(made, 5, B) == []
    assert made.judged(A, 5).rule is Rule.KEY_SHARED


def test_a_fork_stops_admission_until_the_successor() -> None:
    made = judge([good(4), good(5), Fork(A, 0, 4)])
    assert made.judged(A, 5).rule is Rule.FORKED
    assert listed(made, 5) == [(4, 0)]
    made.learn(good(6))
    assert made.judged(A, 6).rule is Rule.FORKED
    made.learn(good(6, line=1, entry=b"successor"))
    assert listed(made, 6) == [(6, 0)]


def test_who_is_not_recognised_is_absent_with_the_gates_reason() -> None:
    made = judge([good(5), good(5, region=B)])
    found = listing(made, 5, omitted={B: "not recognised until 30"})
    assert {k.region for k in found.keys} == {A}
    assert (B, "not recognised until 30") in found.absent


# --- stolen keys --------------------------------------------------------------------------


def test_a_cut_takes_effect_with_the_admission_of_what_replaces_the_key() -> None:
    cut = good(5, 1, cuts=frozenset({key(5)}))
    made = judge([good(4), good(5)])
    before = listing(made, 5)
    made.learn(replace(cut, unread=None))
    assert not is_ended(made, before.keys)
    made.learn(cut)
    assert made.cuts(A) == {key(5): key(5, 1)}
    assert is_ended(made, before.keys)
    assert listed(made, 5) == [(4, 0), (5, 1)]
    assert not is_ended(made, listing(made, 5).keys)


def test_a_later_epoch_can_replace_a_stolen_key_and_stands_on_the_list_before_it() -> None:
    cut = good(6, cuts=frozenset({key(5), key(4)}))
    made = judge([good(4), good(5), cut])
    assert listed(made, 5) == [(6, 0)]
    assert listed(made, 6) == [(6, 0)]


def test_a_cut_needs_everybody_of_the_last_admitted_epoch() -> None:
    """Or a suspension could be given effect at once by declaring keys stolen."""
    made = judge([good(4), good(5), good(6, cuts=frozenset({key(5)}), whole_since=6)])
    assert made.cuts(A) == {}
    assert listed(made, 6) == [(5, 0), (6, 0)]
    # A revision of the same epoch leaves out nobody whom the first entry did not.
    made.learn(good(6, 1, cuts=frozenset({key(5)}), whole_since=6))
    assert listed(made, 6) == [(6, 1)]


def test_a_held_entry_cuts_nothing_and_no_key_cuts_itself() -> None:
    made = judge([good(4), replace(held(5), cuts=frozenset({key(4)}))])
    assert made.cuts(A) == {}
    made = judge([good(4), good(5, cuts=frozenset({key(5), key(6)}))])
    assert made.cuts(A) == {}


def test_a_secret_that_is_public_drops_all_keys_until_the_cut() -> None:
    made = judge([good(4), held(5), Exposed(key(5))])
    assert is_ended(made, [key(5)])
    assert listed(made, 5) == []
    assert dict(listing(made, 5).absent)[A] == "key-exposed"
    made.learn(good(5, 1, cuts=frozenset({key(5)})))
    assert listed(made, 5) == [(4, 0), (5, 1)]
    # One that no list would hold any more stops nobody.
    assert listed(judge([good(1), good(5), Exposed(key(1))]), 5) == [(5, 0)]


# --- when lists are revised -----------------------------------------------------------------


def test_a_gate_batches_changes_into_three_revisions() -> None:
    made = judge([good(4), good(5, region=B)])
    published: list[PublishedList] = []

    def step(at: int) -> int | None:
        plan = due(made, 5, published, at)
        if plan is None:
            return None
        published.append(PublishedList(plan.listing, at, plan.cut))
        return plan.revision

    assert step(-21) is None
    assert step(-20) == 0
    made.learn(good(5))
    assert [step(at) for at in (-10, 0, 39, 60, 99)] == [None] * 5
    assert step(100) == 1
    assert step(101) is None
    made.learn(good(5, region=C))
    assert step(150) is None
    assert step(162) == 2
    made.learn(good(4, region=C))
    assert step(170) is None  # one revision a batch
    assert [step(at) for at in (176, 239, 300)] == [None] * 3


def test_cuts_are_published_at_once_and_share_a_poll() -> None:
    made = judge([good(4), good(5), good(5, region=B), good(4, region=B)])
    published = [PublishedList(listing(made, 5), -20)]
    made.learn(good(5, 1, cuts=frozenset({key(5)})))
    plan = due(made, 5, published, 7)
    assert plan is not None
    assert (plan.cut, plan.revision) == (True, 1)
    published.append(PublishedList(plan.listing, 7, cut=True))
    assert due(made, 5, published, 8) is None
    made.learn(good(5, 1, region=B, cuts=frozenset({key(5, 0, B)})))
    assert due(made, 5, published, 12) is None
    plan = due(made, 5, published, 22)
    assert plan is not None
    assert plan.cut
    # The list of the epoch before is revised too if it holds the key.
    older = [PublishedList(Listing(4, (key(4), key(5, 0, B)), ()), -20)]
    assert due(made, 4, older, 262) is not None


def test_a_superseded_revision_with_a_stolen_key_ends_too() -> None:
    made = judge([good(4), good(5)])
    first = PublishedList(listing(made, 5), -20)
    made.learn(good(5, 1))
    second = PublishedList(listing(made, 5), 40)
    made.learn(good(5, 2, cuts=frozenset({key(5)})))
    plan = due(made, 5, [first, second], 50)
    assert plan is not None
    assert plan.cut


# --- order of facts, snapshots ----------------------------------------------------------


def _facts() -> st.SearchStrategy[list[Fact]]:
    some = st.frozensets(st.integers(0, 3), max_size=2)
    names = st.builds(KeyId, st.sampled_from(REGIONS), st.integers(0, 6), st.integers(0, 3))
    findings = st.builds(
        Finding,
        key=names,
        entry=st.sampled_from([b"one", b"two"]),
        state=st.sampled_from([b"", b"state"]),
        line=st.integers(0, 1),
        witnessed=st.booleans(),
        unread=st.one_of(st.none(), some),
        left_out=some,
        failing=some,
        refused=st.one_of(st.none(), st.sampled_from([Rule.BOARD, Rule.ALLOTMENT])),
        active=st.integers(0, 3),
        cuts=st.frozensets(names, max_size=1),
        whole_since=st.integers(0, 6),
    )
    return st.lists(
        st.one_of(
            findings,
            findings,
            findings,
            st.builds(Missing, st.sampled_from(REGIONS), names, st.integers(0, 3)),
            st.builds(
                Void,
                st.sampled_from(REGIONS),
                st.integers(0, 6),
                st.sampled_from([b"x", b"y"]),
                st.sampled_from([Rule.ENTRY, Rule.POSSESSION]),
            ),
            st.builds(Shared, names),
            st.builds(Exposed, names),
            st.builds(Fork, st.sampled_from(REGIONS), st.integers(0, 1), st.integers(0, 6)),
        ),
        max_size=30,
    )


def _state(made: Judge) -> list[object]:
    return [made.judged(r, t) for r in REGIONS for t in range(9)] + [
        listing(made, t) for t in range(9)
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=_facts(), seed=st.integers(0, 1 << 32), data=st.data())
def test_judgements_are_a_function_of_the_facts_and_not_of_their_order(
    facts: list[Fact], seed: int, data: st.DataObject
) -> None:
    straight = judge(facts)
    mixed = Judge(REGIONS)
    again = [*facts, *facts[::2]]
    random.Random(seed).shuffle(again)
    for fact in again:
        mixed.learn(fact)
        # Asking in between changes nothing.
        mixed.judged(data.draw(st.sampled_from(REGIONS)), data.draw(st.integers(0, 8)))
    assert _state(straight) == _state(mixed)
    for region in REGIONS:
        assert straight.judged(region, 8).digest() == mixed.judged(region, 8).digest()


@settings(max_examples=200, deadline=None)
@given(facts=_facts())
def test_findings_join_in_any_order(facts: list[Fact]) -> None:
    found = [replace(f, key=key(1)) for f in facts if isinstance(f, Finding)][:3]
    if len(found) < 3:
        return
    one, two, three = found
    assert join(one, two) == join(two, one)
    assert join(join(one, two), three) == join(one, join(two, three))
    assert join(one, one) == one


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=_facts())
def test_no_key_is_listed_longer_than_lateness_and_hold_give(facts: list[Fact]) -> None:
    made = judge(facts)
    for epoch in range(20):
        found = listing(made, epoch)
        for name in found.keys:
            assert found.ends <= name.epoch + 3 + 3 + 3
            assert name.epoch <= epoch + 1
        regions = {name.region for name in found.keys}
        assert regions | {region for region, _ in found.absent} == set(REGIONS)
        assert not regions & {region for region, _ in found.absent}
        for region in REGIONS:
            assert len(found.of(region)) <= 3


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=_facts(), at=st.integers(0, 5))
def test_a_newcomer_who_starts_from_a_snapshot_comes_to_the_same_state(
    facts: list[Fact], at: int
) -> None:
    # A fork of before the snapshot would have to be known to whoever made it.
    facts = [f for f in facts if not isinstance(f, Fork)]
    whole, settled, fresh = judge(facts), judge(facts), Judge(REGIONS)
    for region in REGIONS:
        fresh.resume(whole.judged(region, at))
        settled.settle(region, at)
    for fact in facts:
        fresh.learn(fact)
        settled.learn(fact)
    for region in REGIONS:
        for epoch in range(at, 9):
            expected = whole.judged(region, epoch).digest()
            assert fresh.judged(region, epoch).digest() == expected
            assert settled.judged(region, epoch).digest() == expected


def test_settled_epochs_are_not_judged_again() -> None:
    made = judge([good(4), good(5)])
    made.settle(A, 5)
    made.learn(good(5, refused=Rule.BOARD))
    made.learn(good(3))
    assert made.judged(A, 5).ruling is Ruling.ADMIT
    with pytest.raises(CallerError) as caught:
        made.judged(A, 4)
    assert caught.value.reason is Reason.STATE


def test_an_epoch_number_far_away_costs_nothing() -> None:
    far = (1 << 32) - 1
    made = judge([good(0), good(far)])
    made.judged(A, far - 1)
    assert made.judged(A, far).ruling is Ruling.ADMIT
    assert listed(made, far) == [(far, 0)]


def test_only_regions_that_are_judged_and_limits_that_can_be() -> None:
    with pytest.raises(CallerError):
        judge([good(1, region="999999")])
    with pytest.raises(CallerError):
        Judge(REGIONS, hold_epochs=-1)
    made = Judge((A,))
    made.add_region(B)
    made.learn(good(3, region=B))
    made.add_region(B)
    assert made.newest(B) == 3
    assert made.newest(A) is None
    assert made.finding(key(3, 0, B)) == good(3, region=B)


# --- what an audit finds --------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> World:
    made = World()
    for _ in range(3):
        made.holder(C)
    suspended = made.holder(C)
    made.turn()
    made.suspend(C, suspended)
    made.turn()
    return made


def _found(world: World, draft: Draft, **change: object) -> Finding:
    """What the audit of a bent draft finds."""
    view, auditor = fork(world)
    entry = replace(draft.entry(), **change)  # type: ignore[arg-type]
    log = view.region(C)
    published = replace(
        next(reversed(log.epochs.values())),
        id=draft.key.id,
        entry=entry,
        public=draft.key.public,
        suspended=frozenset(log.suspended | log.retired),
    )
    before = auditor.regions[C].commitments
    return examine_epoch(world.federation, published, before, world.fetch).finding


def test_a_whole_epoch_conforms(world: World) -> None:
    found = _found(world, Draft.next(world, C).build())
    assert judge([replace(found, key=key(1))]).judged(A, 1).ruling is Ruling.ADMIT
    assert found.active == 3


def test_a_slot_left_out_without_an_order_is_a_hold(world: World) -> None:
    draft = Draft.next(world, C)
    gone = draft.renewals.pop()
    found = _found(world, draft.build())
    assert (found.left_out, found.refused, found.unread) == (
        frozenset({gone.slot}),
        None,
        frozenset(),
    )
    # Whether the status list and the count say so or not.
    invalid = world.view.region(C).suspended | {gone.slot}
    draft.bits = status_bits(draft.firsts[-1] + draft.size, invalid)
    draft.active -= 1
    found = _found(world, draft)
    assert (found.left_out, found.refused) == (frozenset({gone.slot}), None)


def test_a_bucket_whose_proof_fails_is_a_hold(world: World) -> None:
    draft = Draft.next(world, C).build()
    first = draft.firsts[0]
    bucket = draft.buckets[first]
    draft.buckets[first] = replace(bucket, proof=bucket.proof[:-1] + b"\0")
    found = _found(world, draft)
    assert (found.failing, found.refused) == (frozenset({first}), None)
    draft.buckets[first] = replace(bucket, data=bucket.data[:-1])
    assert _found(world, draft).failing == {first}


def test_what_no_later_byte_can_mend_is_refused(world: World) -> None:
    draft = Draft.next(world, C).build()
    assert _found(world, draft, allotted=99).refused is Rule.ALLOTMENT
    assert _found(world, draft, active=99).refused is Rule.STATUS_LIST
    signed = Draft.next(world, C)
    slot = next(iter(world.view.region(C).suspended))
    signed.renewals.append(replace(signed.renewals[0], slot=slot))
    assert _found(world, signed.build()).refused is Rule.SUSPENDED_SIGNED
    assert void_rule(Reason.PROOF) is Rule.POSSESSION
    assert void_rule(Reason.EPOCH_KEY_REUSED) is Rule.KEY_REUSED
    assert void_rule(Reason.EPOCH_ENTRY) is Rule.ENTRY


def test_a_missing_blob_is_late_and_a_missing_bucket_is_named(world: World) -> None:
    draft = Draft.next(world, C).build()
    for name in ("status", "board", "allotment"):
        assert _found(world, draft, **{name: bytes(32)}).unread is None
    found = _found(world, draft)
    assert found.unread == frozenset()
    hidden = world.blobs.pop(digest(draft.buckets[draft.firsts[0]].data))
    entry = draft.entry()
    del world.blobs[digest(hidden)]
    view, auditor = fork(world)
    published = replace(
        next(reversed(view.region(C).epochs.values())),
        id=draft.key.id,
        entry=entry,
        public=draft.key.public,
        suspended=frozenset(view.region(C).suspended),
    )
    before = auditor.regions[C].commitments
    found = examine_epoch(world.federation, published, before, world.fetch).finding
    assert (found.unread, found.refused) == (frozenset({draft.firsts[0]}), None)


def test_a_held_region_stands_on_lists_with_both_keys(world: World) -> None:
    """The real auditor: who is left out goes on with the old key, the others with the new."""
    draft = Draft.next(world, C)
    draft.renewals.pop()
    view, auditor = fork(world)
    log = view.region(C)
    last = log.latest()
    assert last is not None
    body = LogEntry(
        region=C, index=len(log.entries), previous=log.last, body=draft.build().entry().encode()
    )
    view.append(C, sign(world.logs[C], world.federation.id, Kind.EPOCH, body.encode()))
    assert auditor.follow(C, world.fetch) == []
    epoch = draft.key.id.epoch
    assert auditor.judge.judged(C, epoch).ruling is Ruling.HOLD
    assert [a.published.id for a in auditor.listable(epoch) if a.published.id.region == C] == [
        last.id,
        draft.key.id,
    ]
    later = [a.published.id for a in auditor.listable(epoch + 1) if a.published.id.region == C]
    assert later == [last.id, draft.key.id]
