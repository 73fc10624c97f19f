"""A running node adopts later versions of the charter, and renewed keys with them."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import cast

import pytest
from nacl.signing import SigningKey

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.federation.charter import Federation, Name, SignedCharter
from guosuo.federation.charters import encode_charters, open_charters, succeed
from guosuo.federation.checkpoints import Checkpoint, sign_checkpoint
from guosuo.federation.judge import Ruling
from guosuo.federation.merkle import EMPTY_ROOT
from guosuo.federation.records import Kind, kind_of
from guosuo.federation.view import FederationView
from guosuo.federation.witness import Witness
from guosuo.host.vault import KeyFile
from guosuo.suite import Suite
from guosuo_node.app.faults import Fault, ServiceError
from guosuo_node.app.keys import fitting, load_keys
from guosuo_node.app.witnessing import WitnessDesk
from guosuo_node.cli import amending, making
from guosuo_node.cli.amending import Changes
from guosuo_node.cli.cards import Card
from guosuo_node.cli.making import Wanted
from guosuo_node.host.settings import Home
from guosuo_node.store.store import Store
from tests.cli.stage import guosuo
from tests.support.amending import amended, member, signed
from tests.support.home import OTHER, REGION, ZERO, Leading
from tests.support.liars import refused
from tests.support.world import REGIONS, World, seeded

NEW = "500000"


@pytest.fixture
def node(tmp_path: Path) -> Leading:
    return Leading.found(tmp_path, seeded(5))


def _other(node: Leading) -> Home:
    return Home(node.home.path.parent / OTHER)


def _newcomer(node: Leading) -> tuple[Home, Card]:
    home = Home(node.home.path.parent / NEW)
    wanted = Wanted(
        name=NEW,
        names=(Name(language="en", text="Region"),),
        listen="127.0.0.1:7009",
        public_listen="127.0.0.1:8009",
    )
    return home, making.init(home, wanted, node.entropy, dt.datetime.fromtimestamp(ZERO, dt.UTC))


def _signed(before: Federation, changes: Changes, *homes: Home) -> SignedCharter:
    signed = amending.amend(before, changes)
    for home in homes:
        signed = making.sign(signed, home)
    return signed


def test_a_leader_logs_the_version_and_goes_on_with_the_new_key(node: Leading) -> None:
    newcomer, card = _newcomer(node)
    renewed = amending.renew(node.home, "log", node.entropy)
    changes = Changes(add=[card], replace=[renewed], adopt_from=1, adopt_by=3)
    homes = (node.home, _other(node), newcomer)
    data = _signed(node.federation, changes, *homes).encode()
    # The newcomer has no charter yet, and begins with both versions.
    made = amending.adopt(node.home, data, [card])
    assert amending.adopt(_other(node), data, [card, renewed]).charter == made.charter
    assert (node.home.peers / f"{NEW}.pem").is_file()
    joined = making.join(newcomer, node.home.charter.read_bytes(), [card], node.entropy, ZERO)
    assert (joined.version, joined.id) == (2, node.federation.id)
    with refused(Reason.CHARTER):
        amending.adopt(node.home, data, [card])  # it is not the next one any more

    async def main() -> None:
        node.federation = made
        leader, turns, _ = node.lead()
        old = leader.keys.log_key
        await node.ready(leader)
        await turns.adopt(0)  # too early
        await turns.turn(0)
        with pytest.raises(ServiceError) as ended:
            await turns.adopt(1)
        assert ended.value.fault is Fault.NOT_LEADER
        assert leader.lost
        leader.store.close()
        leader, turns, _ = node.lead()
        await node.ready(leader)
        assert leader.keys.log_key != old
        assert bytes(leader.keys.log_key.verify_key) == made.member(REGION).log_key
        await turns.adopt(1)  # done
        await turns.turn(1)
        view = leader.records.view
        kinds = [kind_of(entry) for entry in view.region(REGION).entries]
        assert kinds == [Kind.EPOCH, Kind.CHARTER, Kind.EPOCH]
        assert view.region(REGION).void == []
        judge = leader.records.auditor.judge
        assert [judge.judged(REGION, t).ruling for t in (0, 1)] == [Ruling.ADMIT] * 2
        # Whoever knows the first version only, and finds the blob, comes to the same.
        reader = FederationView(made.earlier[0], leader.records.blobs.get)
        for entry in view.region(REGION).entries:
            reader.append(REGION, entry)
        assert (reader.federation.version, NEW in reader.regions) == (2, True)
        leader.store.close()

    asyncio.run(main())


def test_what_an_operator_cannot_adopt(node: Leading) -> None:
    _, card = _newcomer(node)
    changes = Changes(add=[card], adopt_from=1, adopt_by=3)
    before = node.home.charter.read_bytes()
    few = _signed(node.federation, changes, node.home)
    with refused(Reason.CHARTER):
        amending.adopt(node.home, few.encode(), [card])
    both = making.sign(few, _other(node))
    stranger = making.init(
        Home(node.home.path.parent / "stranger"),
        Wanted(
            name=NEW,
            names=(Name(language="en", text="Region"),),
            listen="127.0.0.1:7010",
            public_listen="127.0.0.1:8010",
        ),
        node.entropy,
        dt.datetime.fromtimestamp(ZERO, dt.UTC),
    )
    with refused(Reason.CHARTER, CallerError):
        amending.adopt(node.home, both.encode(), [stranger])
    assert node.home.charter.read_bytes() == before
    made = amending.adopt(node.home, both.encode(), [card])
    found = open_charters(node.home.charter.read_bytes(), Suite.sha256())
    assert (found.version, encode_charters(found)) == (2, encode_charters(made))


def test_who_is_removed_signs_but_cannot_adopt(node: Leading) -> None:
    newcomer, card = _newcomer(node)
    changes = Changes(add=[card], remove=[OTHER], adopt_from=1, adopt_by=3)
    signed = _signed(node.federation, changes, node.home, _other(node), newcomer)
    with refused(Reason.STATE):
        amending.adopt(_other(node), signed.encode(), [card])
    assert amending.adopt(node.home, signed.encode(), [card]).former() == {OTHER}


@pytest.mark.parametrize("bad", [{"add": True}, {"remove": ["999999"]}])
def test_amendments_name_the_right_people(node: Leading, bad: dict[str, object]) -> None:
    own = Card.read(node.home.card)
    change = {"add": [own]} if "add" in bad else bad
    with refused(Reason.ARGUMENT, CallerError):
        amending.amend(
            node.federation,
            Changes(adopt_from=1, adopt_by=2, **change),
        )
    amending.amend(node.federation, Changes(replace=[own], adopt_from=1, adopt_by=2))


@pytest.mark.parametrize("what", ["log", "witness"])
def test_a_renewed_key_waits_for_its_charter(node: Leading, what: str) -> None:
    key, before = KeyFile(node.home.key), node.home.keys.read_bytes()
    said = guosuo("node", "rotate", node.home.path, what)
    assert (said.code, said.err) == (0, "")
    assert "new version of the charter" in " ".join(said.out.split())
    assert node.home.keys.read_bytes() == before
    every = load_keys((node.home.keys, *node.home.renewed_keys()), key)
    assert len(every) == 2
    assert fitting(every, node.federation) == every[0]
    again = guosuo("node", "rotate", node.home.path, what)
    assert again.code == 2
    assert "in no charter yet" in again.err
    changes = Changes(replace=[Card.read(node.home.card)], adopt_from=1, adopt_by=2)
    signed = _signed(node.federation, changes, node.home, _other(node))
    made = amending.adopt(node.home, signed.encode(), [])
    assert fitting(every, made) == every[1]
    assert guosuo("node", "rotate", node.home.path, what).code == 0
    assert len(node.home.renewed_keys()) == 2
    with pytest.raises(PeerError):
        fitting(every[:1], made)


def test_the_ceremony_by_commands(node: Leading, tmp_path: Path) -> None:
    home, _ = _newcomer(node)
    new = tmp_path / "next.cbor"
    said = guosuo(
        "federation",
        "amend",
        node.home.path,
        new,
        "--add",
        home.card,
        "--adopt-from",
        "5",
        "--adopt-by",
        "9",
    )
    assert (said.code, said.err) == (0, "")
    assert "version 2, 3 regions" in said.out
    assert guosuo("federation", "amend", node.home.path, new, "--add", home.card).code == 2
    said = guosuo("federation", "sign", new, node.home.path)
    assert "1 signed" in said.out
    assert guosuo("federation", "adopt", node.home.path, new, home.card).code != 0
    said = guosuo("federation", "sign", new, _other(node).path)
    assert said.code == 0
    said = guosuo("federation", "adopt", node.home.path, new, home.card)
    assert (said.code, said.err) == (0, "")
    assert "version 2 from epoch 5" in said.out


def test_a_witness_takes_the_old_log_key_only_in_the_time_to_adopt() -> None:
    """A stand-alone witness reads no entries: it goes by the clock."""
    world = World(REGIONS[:2])
    old = world.logs[REGIONS[0]]
    world.logs[REGIONS[0]] = SigningKey(world.entropy.octets(32))
    made = succeed(
        world.federation, signed(world, amended(world, renew=[member(world, REGIONS[0])]))
    )
    origin, end = made.origin(REGIONS[0]), made.clock.start(made.charter.adopt_by or 0)
    point = Checkpoint(origin, 0, EMPTY_ROOT)

    def chosen(key: SigningKey, now: int) -> bytes:
        witness = Witness("tower", SigningKey(bytes(32)))
        desk = WitnessDesk(
            made,
            witness,
            cast("Store", None),
            lambda: now,
            lambda *_: None,
            lambda _: (*made.earlier, made),
        )
        return desk._log_key(REGIONS[0], sign_checkpoint(point, key).encode())

    new = world.logs[REGIONS[0]]
    for key in (old, new):
        assert chosen(key, end - 1) == bytes(key.verify_key)
        assert chosen(key, end) == bytes(new.verify_key)
