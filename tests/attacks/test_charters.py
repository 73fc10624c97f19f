"""Later versions of the charter: forged, skipped, forked, and keys used out of their time.

Every refusal stands beside its twin, the same act with one thing put right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nacl.signing
import pytest

from guosuo.client.copying import Chain, LogCopy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation import checkpoints
from guosuo.federation.charter import Charter, CharterSignature, SignedCharter, Witness
from guosuo.federation.charters import (
    CharterEntry,
    CharterFork,
    CharterHistory,
    adoption,
    check_charter_fork,
    encode_charters,
    named_charters,
    open_charters,
    succeed,
)
from guosuo.federation.entries import Action
from guosuo.federation.forks import Advanced
from guosuo.federation.judge import Rule, Ruling
from guosuo.federation.merkle import Tree, leaf_hash
from guosuo.federation.records import Append, Kind, LogWriter, digest
from guosuo.federation.trust_list import Absence
from guosuo.federation.view import FederationView
from guosuo.host.directory import FederationDirectory, Publication
from guosuo.roles.auditor import Auditor
from guosuo.roles.states.issuer import decode_issuer, encode_issuer
from guosuo.roles.states.wallet import decode_wallet, encode_wallet
from guosuo.roles.turn import Replacing
from guosuo.roles.verdict import Verdict
from tests.support.amending import adopt, amended, found, member, signed
from tests.support.liars import append, listable, lying_list, refused, void
from tests.support.world import REGIONS, World, fact

A, B, C, D = REGIONS
NEW, LATER = "500000", "510000"


@pytest.fixture
def world() -> World:
    return World()


def _new_log(world: World, name: str) -> nacl.signing.SigningKey:
    """A new log key of a region; the old one is returned."""
    old = world.logs[name]
    world.logs[name] = nacl.signing.SigningKey(world.entropy.octets(32))
    return old


# --- one version after the other ---------------------------------------------------------


def test_a_version_needs_both_thresholds(world: World) -> None:
    charter = amended(world, add=(NEW, LATER))  # 3 of the 4 before, 4 of the 6 after
    for few in ((A, B, NEW, LATER), (A, B, C), (A, NEW, LATER), ()):
        with refused(Reason.CHARTER):
            succeed(world.federation, signed(world, charter, few or (NEW,)))
    made = succeed(world.federation, signed(world, charter, (A, B, C, NEW)))
    assert (made.version, made.id) == (2, world.federation.id)
    assert made.members.keys() == {*REGIONS, NEW, LATER}


def test_signatures_of_those_who_leave_count_for_the_version_before_only(world: World) -> None:
    charter = amended(world, remove=(C, D))
    with refused(Reason.CHARTER):
        succeed(world.federation, signed(world, charter, (A, B)))
    with refused(Reason.CHARTER):
        succeed(world.federation, signed(world, charter, (A, C, D)))
    assert succeed(world.federation, signed(world, charter, (A, B, C))).members.keys() == {A, B}


def test_who_changes_his_root_key_signs_with_both() -> None:
    small = World((A, B))
    old = small.roots[A]
    small.roots[A] = nacl.signing.SigningKey(small.entropy.octets(32))
    charter = amended(small, renew=[member(small, A)])
    data = signed(small, charter)
    with refused(Reason.CHARTER):
        succeed(small.federation, data)
    one = SignedCharter.decode(data)
    small.roots[A], new = old, small.roots[A]
    other = SignedCharter.decode(signed(small, charter, [A]))
    with refused(Reason.CHARTER):
        succeed(small.federation, signed(small, charter))
    both = replace(one, signatures=(*one.signatures, *other.signatures))
    made = succeed(small.federation, both.encode())
    assert made.member(A).root_key == bytes(new.verify_key)


def _signatures_of_another(world: World, charter: Charter) -> bytes:
    other = SignedCharter.decode(signed(world, replace(charter, expires=1)))
    return SignedCharter(charter=charter.encode(), signatures=other.signatures).encode()


def test_signatures_are_over_exactly_this_version(world: World) -> None:
    charter = amended(world, add=[NEW])
    with refused(Reason.CHARTER):
        succeed(world.federation, _signatures_of_another(world, charter))
    stranger = nacl.signing.SigningKey(bytes(32))
    true = SignedCharter.decode(signed(world, charter))
    forged = tuple(
        CharterSignature(region=s.region, signature=stranger.sign(b"x").signature)
        for s in true.signatures
    )
    with refused(Reason.CHARTER):
        succeed(world.federation, replace(true, signatures=forged).encode())
    assert succeed(world.federation, true.encode()).version == 2


def _numbers(**change: int) -> Callable[[Charter], Charter]:
    return lambda c: replace(c, parameters=replace(c.parameters, **change))


@pytest.mark.parametrize(
    "bend",
    [
        lambda c: replace(c, previous=digest(b"another charter")),
        lambda c: replace(c, previous=None),
        lambda c: replace(c, version=1),
        lambda c: replace(c, version=3),
        lambda c: replace(c, adopt_from=None),
        lambda c: replace(c, adopt_by=None),
        lambda c: replace(c, adopt_by=c.adopt_from),
        lambda c: replace(c, suite="BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_"),
        _numbers(epoch_zero=1),
        _numbers(epoch_seconds=7200),
        _numbers(tick_seconds=31),
        _numbers(slots_per_person=5),
        _numbers(bucket_slots=32),
        _numbers(late_epochs=4),
        _numbers(hold_epochs=4),
        lambda c: replace(c, members=c.members[::-1]),
        lambda c: replace(c, members=(*c.members[:-1], replace(c.members[-1], region="999999"))),
        lambda c: replace(c, organisations=c.organisations[::-1]),
    ],
)
def test_what_no_version_may_change(world: World, bend: Callable[[Charter], Charter]) -> None:
    charter = amended(world, add=[NEW])
    bent = bend(charter)
    data = SignedCharter(
        charter=bent.encode(),
        signatures=tuple(
            CharterSignature(
                region=name,
                signature=key.sign(b"\x82\x6eguosuo/charter" + _octets(bent.encode())).signature,
            )
            for name, key in sorted(world.roots.items())
        ),
    ).encode()
    with refused(Reason.CHARTER):
        succeed(world.federation, data)
    assert succeed(world.federation, signed(world, charter)).version == 2


def _octets(data: bytes) -> bytes:
    return b"\x59" + len(data).to_bytes(2, "big") + data


def test_what_a_version_may_change(world: World) -> None:
    numbers = replace(world.federation.charter.parameters, min_regions=3, min_crowd=7)
    alone = Witness(name="tower", operator="tower", key=bytes(32))
    charter = amended(world, parameters=numbers, witnesses=(alone,), expires=1)
    made = succeed(world.federation, signed(world, charter))
    assert made.charter.parameters.min_crowd == 7
    assert (made.cosignatures, world.federation.cosignatures) == (1, 0)
    assert made.scheme is world.federation.scheme


def test_versions_do_not_overlap(world: World) -> None:
    second = succeed(world.federation, signed(world, amended(world, add=[NEW])))
    start = second.charter.adopt_by or 0
    early = amended(world, add=[LATER], before=second, adopt_from=start - 1)
    with refused(Reason.CHARTER):
        succeed(second, signed(world, early))
    third = succeed(second, signed(world, replace(early, adopt_from=start)))
    assert [v.version for v in third.earlier] == [1, 2]


def test_nobody_gets_the_code_or_the_root_key_of_another(world: World) -> None:
    second = succeed(world.federation, signed(world, amended(world, remove=[D])))
    assert second.former() == {D}
    again = amended(world, before=second, renew=[member(world, D)])
    with refused(Reason.CHARTER):
        succeed(second, signed(world, again))
    heir = member(world, NEW, root_key=bytes(world.roots[D].verify_key))
    with refused(Reason.CHARTER):
        succeed(second, signed(world, amended(world, before=second, renew=[heir])))
    honest = amended(world, before=second, renew=[member(world, NEW)])
    assert succeed(second, signed(world, honest)).former() == {D}


def test_one_file_holds_all_versions(world: World) -> None:
    second = succeed(world.federation, signed(world, amended(world, add=[NEW])))
    third = succeed(second, signed(world, amended(world, before=second, remove=[NEW])))
    assert encode_charters(world.federation) == world.signed_charter
    data = encode_charters(third)
    read = open_charters(data, world.suite)
    assert (read.version, read.id) == (3, world.federation.id)
    assert read.former() == {NEW}
    assert encode_charters(read) == data
    assert open_charters(world.signed_charter, world.suite).version == 1
    swapped = data.replace(second.signed[:400], third.signed[:400], 1)
    with pytest.raises(PeerError):
        open_charters(swapped, world.suite)


# --- what a reader knows -----------------------------------------------------------------


def test_a_history_takes_versions_in_order_and_each_once(world: World) -> None:
    history = CharterHistory(world.federation)
    charter = amended(world, add=[NEW])
    data = signed(world, charter)
    second = succeed(world.federation, data)
    third = signed(world, amended(world, before=second, remove=[NEW]))
    with refused(Reason.CHARTER):
        history.add(third)
    assert history.add(data).version == 2
    assert history.add(data) is history.current
    assert history.add(signed(world, charter, (A, B, C, NEW))) is history.current
    with refused(Reason.CHARTER):
        history.add(signed(world, charter, (A, B)))
    assert history.add(world.signed_charter).version == 1
    assert history.add(third).version == 3
    assert history.fork is None
    assert [v.version for v in history.versions] == [1, 2, 3]
    with refused(Reason.CHARTER):
        history.version(4)


def test_two_charters_of_one_version_are_evidence(world: World) -> None:
    history = CharterHistory(world.federation)
    first, second = (signed(world, amended(world, add=[name])) for name in (NEW, LATER))
    history.add(first)
    with refused(Reason.CHARTER):
        history.add(second)
    assert history.fork is not None
    evidence = CharterFork.decode(history.fork.encode())
    for reader in (world.federation, history.current, succeed(world.federation, second)):
        assert check_charter_fork(evidence, reader) == 2
    # What was known goes on to be; nothing comes behind it.
    assert history.add(first).version == 2
    with refused(Reason.CHARTER):
        history.add(signed(world, amended(world, before=history.current, remove=[NEW])))


def test_what_is_no_evidence(world: World) -> None:
    charter = amended(world, add=[NEW])
    data, again = signed(world, charter), signed(world, charter, (A, B, C, NEW))
    with refused(Reason.CHARTER):
        check_charter_fork(CharterFork(first=data, second=again), world.federation)
    few = signed(world, amended(world, add=[LATER]), (A, LATER))
    with refused(Reason.CHARTER):
        check_charter_fork(CharterFork(first=data, second=few), world.federation)
    first = world.signed_charter
    with refused(Reason.CHARTER):
        check_charter_fork(CharterFork(first=first, second=first), world.federation)


# --- adopting ----------------------------------------------------------------------------


def test_entries_before_and_behind_an_adoption_have_their_own_key(world: World) -> None:
    old = _new_log(world, A)
    new = world.logs[A]
    data = signed(world, amended(world, renew=[member(world, A)]))
    body = world.signed(A, Action.SUSPEND, [7]).encode()
    log = world.view.region(A)
    writer = LogWriter(new, world.federation.id, A, len(log.entries), log.last)
    world.view.learn(data)
    with refused(Reason.RECORD_SIGNATURE):  # the charter alone gives the new key no power
        world.view.append(A, writer.append(Kind.ORDER, body))
    adopt(world, A, data)
    assert log.charter == 2
    writer = LogWriter(old, world.federation.id, A, len(log.entries), log.last)
    with refused(Reason.RECORD_SIGNATURE):
        world.view.append(A, writer.append(Kind.ORDER, body))
    append(world, A, Kind.ORDER, body)
    assert 7 in log.suspended
    assert (log.charter_at(len(log.entries) - 2), log.charter_at(len(log.entries))) == (1, 2)


def test_an_adoption_counts_once_and_in_order(world: World) -> None:
    second = signed(world, amended(world, add=[NEW]))
    made = succeed(world.federation, second)
    third = succeed(made, signed(world, amended(world, before=made, remove=[NEW])))
    for version in (made, third):
        world.view.learn(version.signed)
        world.blobs[digest(version.signed)] = version.signed
    skipped = adoption(third, third.charter.adopt_from or 0)[1]
    assert isinstance(skipped, Append)
    append(world, A, Kind.CHARTER, skipped.body)
    assert void(world, A) is not None
    adopt(world, A, second)
    assert void(world, A) is None
    world.publish(A, adoption(made, made.charter.adopt_from or 0))
    assert void(world, A) is not None
    append(world, A, Kind.CHARTER, skipped.body)
    assert void(world, A) is None
    assert world.view.region(A).charter == 3


@pytest.mark.parametrize("change", [{"epoch": 0}, {"version": 3}, {"signed": digest(b"garbage")}])
def test_a_void_adoption_changes_nothing(world: World, change: dict[str, object]) -> None:
    data = signed(world, amended(world, add=[NEW]))
    world.blobs |= {digest(data): data, digest(b"garbage"): b"garbage"}
    start = world.epoch + 1
    good = CharterEntry(version=2, signed=digest(data), epoch=start)
    append(world, A, Kind.CHARTER, replace(good, **change).encode())  # type: ignore[arg-type]
    assert void(world, A) is not None
    assert world.view.region(A).charter == 1
    append(world, A, Kind.CHARTER, good.encode())
    assert void(world, A) is None
    assert world.view.region(A).charter == 2


def test_what_names_no_charter_asks_for_none(world: World) -> None:
    writer = world.regions[A].writer
    good = CharterEntry(version=2, signed=digest(b"x"), epoch=0).encode()
    entries = [b"garbage", writer.append(Kind.CHARTER, b"\xa0"), writer.append(Kind.ORDER, good)]
    assert named_charters(entries, 1) == []
    entries.append(writer.append(Kind.CHARTER, good))
    assert named_charters(entries, 1) == [digest(b"x")]
    assert named_charters(entries, 2) == []
    third = CharterEntry(version=3, signed=digest(b"y"), epoch=0).encode()
    assert named_charters([writer.append(Kind.CHARTER, third)], 1) == []
    entries.append(writer.append(Kind.CHARTER, third))
    assert named_charters(entries, 1) == [digest(b"x"), digest(b"y")]


def test_a_log_stops_at_a_charter_that_nobody_has(world: World) -> None:
    """Whose keys follow is not known; once the blob is there, the log goes on."""
    data = signed(world, amended(world, add=[NEW]))
    made = succeed(world.federation, data)
    _, entry = adoption(made, world.epoch + 1)
    assert isinstance(entry, Append)
    adopting = world.regions[A].writer.append(Kind.CHARTER, entry.body)
    log = world.view.region(A)
    before = list(log.entries)
    with refused(Reason.RECORD_MISSING):
        world.view.append(A, adopting)
    assert (log.entries, log.void, NEW in world.view.regions) == (before, [], False)
    world.blobs[digest(data)] = data
    assert world.view.append(A, adopting) is Kind.CHARTER
    assert (log.charter, NEW in world.view.regions) == (2, True)
    # Another region is not stopped by it.
    append(world, B, Kind.ORDER, world.signed(B, Action.SUSPEND, [7]).encode())
    assert void(world, B) is None


def test_of_two_charters_of_one_version_a_reader_goes_on_with_the_one_it_knew(
    world: World,
) -> None:
    first, second = (signed(world, amended(world, add=[name])) for name in (NEW, LATER))
    adopt(world, A, first)
    other = succeed(world.federation, second)
    world.publish(B, adoption(other, other.charter.adopt_from or 0))
    assert void(world, B) is not None
    assert world.view.history.fork is not None
    adopt(world, B, first)
    assert (void(world, B), world.view.region(B).charter) == (None, 2)


def test_no_epoch_before_the_one_that_the_adoption_names(world: World) -> None:
    data = signed(world, amended(world, add=[NEW]))
    adopt(world, A, data, epoch=world.epoch + 2)
    world.publish(A, world.regions[A].issuer.turn_epoch(world.epoch + 1, world.entropy))
    assert void(world, A) is not None
    # The issuer has to link to the last entry that conforms.
    latest = world.view.region(A).latest()
    assert latest is not None
    world.regions[A].issuer.logged(latest.digest)
    world.publish(A, world.regions[A].issuer.turn_epoch(world.epoch + 2, world.entropy))
    assert void(world, A) is None


def test_organisations_are_those_of_the_charter_that_the_log_adopted(world: World) -> None:
    old = world.offices[A]
    office = nacl.signing.SigningKey(world.entropy.octets(32))
    listed = world.federation.charter.organisations or ()
    renewed = tuple(
        replace(o, key=bytes(office.verify_key)) if o.region == A else o for o in listed
    )
    data = signed(world, amended(world, organisations=renewed))
    order = world.signed(A, Action.SUSPEND, [7])
    statement = order.statement(world.federation.id, A)
    by_new = replace(order, signature=office.sign(statement).signature)
    append(world, A, Kind.ORDER, by_new.encode())
    assert void(world, A) is not None
    adopt(world, A, data)
    append(world, A, Kind.ORDER, order.encode())
    assert void(world, A) is not None
    append(world, A, Kind.ORDER, by_new.encode())
    assert void(world, A) is None
    assert bytes(old.verify_key) != bytes(office.verify_key)


def test_judgements_are_on_members_of_the_charter_that_the_log_adopted(world: World) -> None:
    data = signed(world, amended(world, add=[NEW]))
    world.view.learn(data)
    world.auditor.amend()
    judgement = world.auditor.judgement(NEW, world.epoch)
    append(world, A, Kind.JUDGEMENT, judgement.body)
    assert void(world, A) is not None
    adopt(world, A, data)
    append(world, A, Kind.JUDGEMENT, judgement.body)
    assert void(world, A) is None


def test_other_readers_come_to_the_same(world: World) -> None:
    """From entries and blobs alone, in whatever order the logs are read."""
    _new_log(world, B)
    data = signed(world, amended(world, add=[NEW], renew=[member(world, B)]))
    for name in REGIONS:
        adopt(world, name, data)
    found(world, NEW)
    world.turn()
    for order in (sorted(world.regions), sorted(world.regions, reverse=True)):
        view = FederationView(world.federation, world.fetch)
        waiting = {name: list(world.regions[name].entries) for name in order}
        while waiting:
            name = next(n for n in order if n in waiting and n in view.regions)
            for entry in waiting.pop(name):
                view.append(name, entry)
        assert view.federation.version == 2
        for name in order:
            assert (view.region(name).charter, view.region(name).void) == (2, [])
            assert view.region(name).epochs.keys() == world.view.region(name).epochs.keys()


# --- in time -----------------------------------------------------------------------------


def test_who_has_not_adopted_in_time_is_refused_until_it_does(world: World) -> None:
    data = signed(world, amended(world, add=[NEW]))
    end = succeed(world.federation, data).charter.adopt_by or 0
    for name in (A, B, C):
        adopt(world, name, data)
    found(world, NEW)
    while world.epoch + 1 < end:
        world.turn()
        assert world.auditor.judge.judged(D, world.epoch).ruling is Ruling.ADMIT
    world.turn()
    assert world.epoch == end
    judged = world.auditor.judge.judged(D, end)
    assert (judged.ruling, judged.rule) == (Ruling.REFUSE, Rule.CHARTER)
    assert world.auditor.judge.judged(A, end).ruling is Ruling.ADMIT
    # A revision behind the adoption mends the epoch.
    adopt(world, D, data, epoch=end)
    latest = world.view.region(D).latest()
    assert latest is not None
    issuer = world.regions[D].issuer
    replacing = Replacing(1, (latest.id,), latest.suspended)
    turn = issuer.begin_turn(end, world.entropy, replacing=replacing)
    buckets = [w.build(world.federation.scheme, turn.key, world.entropy) for w in turn.work]
    world.publish(D, issuer.finish_turn(turn, buckets, world.entropy))
    world.auditor.follow(D, world.fetch)
    judged = world.auditor.judge.judged(D, end)
    assert (judged.ruling, judged.rule) == (Ruling.ADMIT, Rule.CONFORMS)


def test_who_learns_of_a_version_late_judges_as_all_others(world: World) -> None:
    data = signed(world, amended(world, add=[NEW]))
    end = succeed(world.federation, data).charter.adopt_by or 0
    while world.epoch < end:
        world.turn()
    assert world.auditor.judge.judged(D, end).ruling is Ruling.ADMIT
    world.view.learn(data)
    world.auditor.amend()
    assert world.auditor.judge.judged(D, end).rule is Rule.CHARTER
    assert world.auditor.judge.judged(D, end - 1).ruling is Ruling.ADMIT
    fresh = Auditor(world.view)
    fresh.follow(D, world.fetch)
    assert fresh.judge.judged(D, end).rule is Rule.CHARTER


# --- a member joins, a member leaves, a key changes ---------------------------------------


def test_a_member_is_added(world: World) -> None:
    old = world.holder(A)
    data = signed(world, amended(world, add=[NEW]))
    for name in (A, B, C):
        adopt(world, name, data)
    found(world, NEW)
    assert world.view.region(NEW).charter == 2
    world.turn()
    world.refresh(old)
    # Gates that adopted it list the new region, and it lists all; D goes on as before.
    assert NEW in world.bundle(A).listed_regions()
    assert world.bundle(NEW).listed_regions() == {*REGIONS, NEW}
    assert world.bundle(D).listed_regions() == set(REGIONS)
    world.federation = world.view.federation
    young = world.holder(NEW)
    world.turn()
    for wallet in (young, old):
        world.refresh(wallet)
    for gate in (A, NEW):
        assert world.cross(young, gate).verdict is Verdict.ACCEPT
        assert world.cross(old, gate).verdict is Verdict.ACCEPT
    with refused(Reason.NOT_ACCEPTED_THERE, CallerError):
        world.show(young, D)
    adopt(world, D, data)
    world.turn()
    world.refresh(young)
    assert world.cross(young, D).verdict is Verdict.ACCEPT


def test_a_gate_lists_the_members_of_the_charter_that_it_adopted(world: World) -> None:
    data = signed(world, amended(world, add=[NEW]))
    for name in (A, B, C):
        adopt(world, name, data)
    found(world, NEW)
    world.turn()
    everybody = listable(world)
    assert {key.region for key, _ in everybody} == {*REGIONS, NEW}
    founders = [pair for pair in everybody if pair[0].region != NEW]
    lying_list(world, A, 1, listed=founders)
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(A)
    lying_list(world, A, 2, listed=everybody)
    assert NEW in world.bundle(A).listed_regions()
    lying_list(world, D, 1, listed=everybody)
    with refused(Reason.LIST_KEYS):
        world.bundle(D)
    lying_list(world, D, 2, listed=founders)
    assert world.bundle(D).listed_regions() == set(REGIONS)


def test_a_member_is_removed(world: World) -> None:
    gone, stays = world.holder(D), world.holder(C)
    world.turn()
    for wallet in (gone, stays):
        world.refresh(wallet)
        assert world.cross(wallet, A).verdict is Verdict.ACCEPT
    data = signed(world, amended(world, remove=[D]))
    made = world.view.learn(data)
    for name in (A, B):
        adopt(world, name, data)
    # The region itself cannot adopt what does not have it.
    world.publish(D, adoption(made, made.charter.adopt_from or 0))
    assert void(world, D) is not None
    world.turn()
    for wallet in (gone, stays):
        world.refresh(wallet)
    assert world.cross(stays, A).verdict is Verdict.ACCEPT
    assert world.cross(gone, C).verdict is Verdict.ACCEPT  # not adopted yet
    assert D not in world.bundle(A).listed_regions()
    adopt(world, C, data)
    while world.epoch < (made.charter.adopt_by or 0):
        world.turn()
    assert world.auditor.judge.judged(D, world.epoch).rule is Rule.CHARTER
    world.refresh(gone)
    with refused(Reason.NOT_ACCEPTED_THERE, CallerError):
        world.show(gone, C)
    world.refresh(stays)
    assert world.cross(stays, C).verdict is Verdict.ACCEPT
    # His wallet, and all that the region published, stay readable.
    again = decode_wallet(made, encode_wallet(made, gone.state))
    assert again.slots.keys() == gone.state.slots.keys()
    assert world.view.region(D).epochs


def test_a_removed_member_stands_on_no_list(world: World) -> None:
    data = signed(world, amended(world, remove=[D]))
    for name in (A, B, C):
        adopt(world, name, data)
    world.turn()
    rest = listable(world)
    assert {key.region for key, _ in rest} == {A, B, C}
    before = world.auditor.listable(world.epoch, D)  # by the charter that D has
    everybody = [(a.published.id, a.published.public) for a in before]
    lying_list(world, A, 1, listed=everybody)
    with refused(Reason.LIST_KEYS):
        world.bundle(A)
    lying_list(world, A, 2, listed=rest)
    with refused(Reason.LIST_INCOMPLETE):
        world.bundle(A)
    lying_list(world, A, 3, listed=rest, absent=[Absence(region=D, reason="removed")])
    assert world.bundle(A).listed_regions() == {A, B, C}


def test_a_log_key_is_renewed(world: World) -> None:
    before = world.holder(A)
    old = _new_log(world, A)
    data = signed(world, amended(world, renew=[member(world, A)]))
    world.view.learn(data)
    offer = world.regions[A].issuer.offer(world.now, world.entropy)
    for name in REGIONS:
        adopt(world, name, data)
    world.federation = world.view.federation
    # An offer of the old key is still good, one of a stranger's is not.
    wallet = world.wallet()
    request = wallet.request(A, offer, fact(event_time=world.now - 3600), world.now, world.entropy)
    assert request.encode()
    state = world.regions[A].issuer.state
    state.log_key, kept = nacl.signing.SigningKey(bytes(32)), state.log_key
    with refused(Reason.RECORD_SIGNATURE):
        wallet.request(
            A,
            world.regions[A].issuer.offer(world.now, world.entropy),
            fact(event_time=world.now - 3600),
            world.now,
            world.entropy,
        )
    with refused(Reason.STATE):
        decode_issuer(world.federation, encode_issuer(world.federation, state))
    state.log_key = kept
    assert decode_issuer(world.federation, encode_issuer(world.federation, state)).region == A
    after = world.holder(A)
    world.turn()
    for holder in (before, after):
        world.refresh(holder)
        assert world.cross(holder, B).verdict is Verdict.ACCEPT
        assert world.cross(holder, A).verdict is Verdict.ACCEPT
    # The checkpoint takes entries of both keys, and of no third.
    gate = world.regions[A].checkpoint
    for key in (old, kept):
        writer = LogWriter(key, world.federation.id, A)
        assert not gate.load(writer.append(Kind.CHECKPOINTS, b""))
    writer = LogWriter(nacl.signing.SigningKey(bytes(32)), world.federation.id, A)
    with refused(Reason.RECORD_SIGNATURE):
        gate.load(writer.append(Kind.CHECKPOINTS, b""))


# --- checkpoints of logs -----------------------------------------------------------------


def _note(world: World, entries: list[bytes], key: nacl.signing.SigningKey, *by: str) -> bytes:
    tree = Tree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    origin = world.federation.origin(A)
    point = checkpoints.Checkpoint(origin, tree.size, tree.root(tree.size))
    note = checkpoints.sign_checkpoint(point, key)
    lines = [
        checkpoints.cosign(note.text, checkpoints.WITNESS_PREFIX + name, world.witnesses[name], 1)
        for name in by
    ]
    return note.signed_by(lines).encode()


def test_a_checkpoint_is_judged_by_the_charter_that_its_entries_end_with() -> None:
    world = World((A, B), witnesses=2)
    one, two = world.witnesses
    fresh = nacl.signing.SigningKey(world.entropy.octets(32))
    alone = world.federation.charter.witnesses or ()
    replaced = (alone[0], Witness(name="witness-3", operator="w3", key=bytes(fresh.verify_key)))
    world.witnesses["witness-3"] = fresh
    old = _new_log(world, A)
    data = signed(world, amended(world, renew=[member(world, A)], witnesses=replaced))
    before = list(world.regions[A].entries)
    adopt(world, A, data)
    after = list(world.regions[A].entries)

    def reader(note: bytes) -> tuple[LogCopy, Chain]:
        view = FederationView(world.federation, world.fetch)
        view.learn(data)
        copy = LogCopy.resume(view.ruling(A), A, (), b"")
        copy.open_under(note, view.history.versions)
        return copy, Chain.behind(view, A, world.fetch)

    def takes(note: bytes, entries: list[bytes]) -> bool:
        copy, chain = reader(note)
        chain.take(entries)
        copy.under(chain.ruling())
        return isinstance(copy.take(note, entries), Advanced)

    new = world.logs[A]
    assert takes(_note(world, before, old, one, two), before)
    assert takes(_note(world, after, new, one, "witness-3"), after)
    with refused(Reason.NOTE_SIGNATURE):  # the old key, behind the adoption
        takes(_note(world, after, old, one, two), after)
    with refused(Reason.NOTE_SIGNATURE):  # the new key, before it
        takes(_note(world, before, new, one, "witness-3"), before)
    with refused(Reason.COSIGNATURES):  # the witnesses of before
        takes(_note(world, after, new, one, two), after)


# --- files -------------------------------------------------------------------------------


def test_a_directory_finds_new_members_through_the_logs(tmp_path: Path) -> None:
    world = World((A, B))
    data = signed(world, amended(world, add=[NEW]))
    for name in (A, B):
        adopt(world, name, data)
    found(world, NEW)
    FederationDirectory.found(tmp_path, world.signed_charter)
    directory = FederationDirectory(tmp_path, world.suite)
    assert directory.regions.keys() == {A, B}
    directory.regions[A].publish([Publication(None, data)])
    for name in (A, B):
        directory.regions[name].publish(
            Publication(i, entry) for i, entry in enumerate(world.regions[name].entries)
        )
    assert directory.catch_up().federation.version == 2
    assert directory.regions.keys() == {A, B, NEW}
    directory.regions[NEW].publish(
        Publication(i, entry) for i, entry in enumerate(world.regions[NEW].entries)
    )
    again = FederationDirectory(tmp_path, world.suite)
    assert again.federation.version == 1
    assert again.learn(data)
    assert not again.learn(data)
    kept = FederationDirectory(tmp_path, world.suite)
    assert kept.federation.version == 2
    assert kept.regions.keys() == {A, B, NEW}
    view = kept.catch_up()
    assert len(view.region(NEW).entries) == len(world.regions[NEW].entries)
