"""The verified copy: kept fresh by nodes of which some fail, lag or lie."""

# ruff: noqa: ANN401 - contexts and messages of any method

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from nacl.signing import SigningKey

from guosuo.client.channel import NodeChannel, Patience
from guosuo.client.federation import FederationClient
from guosuo.client.mirror import (
    FORKED,
    ROLLED_BACK,
    TOO_LARGE,
    UNREACHABLE,
    Mirror,
    News,
    fetch_charter,
)
from guosuo.errors import CallerError, Reason
from guosuo.federation.forks import Equivocation, check_equivocation
from guosuo.federation.records import Kind, LogWriter, digest
from guosuo.host.directory import FederationDirectory
from guosuo.pb import federation_pb2 as pb
from guosuo.roles.bundle import audit_bundle
from guosuo.roles.wallet import Wallet
from tests.support.amending import adopt, amended, found, member, signed
from tests.support.fake_node import FakeLog, FakeNode, Method, constant, serving
from tests.support.world import EVERY_CONSENT, POLICY, World

A, B, C, D = "110000", "330000", "360000", "440000"
T = TypeVar("T")
NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def world() -> World:
    """Nobody changes it; `turned` has one that goes on."""
    return World(witnesses=4)


@pytest.fixture
def root(tmp_path: Path, world: World) -> Path:
    FederationDirectory.found(tmp_path, world.signed_charter)
    return tmp_path


class Nodes:
    """Several nodes, and a mirror over all of them for one piece of work after another."""

    def __init__(self, stack: ExitStack, root: Path, world: World, *nodes: FakeNode) -> None:
        self.root, self.world = root, world
        self.targets = [stack.enter_context(serving(node)) for node in nodes]

    def work(self, work: Callable[[Mirror], Awaitable[T]], deadline: float = 20.0) -> T:
        async def main() -> T:
            patience = Patience(tries=1)
            async with asyncio.timeout(120), AsyncExitStack() as stack:
                clients = [
                    FederationClient(
                        await stack.enter_async_context(
                            NodeChannel(target, None, deadline=deadline, patience=patience)
                        )
                    )
                    for target in self.targets
                ]
                directory = FederationDirectory(self.root, self.world.suite)
                return await work(Mirror(directory, clients))

        return asyncio.run(main())

    def follow(self, deadline: float = 20.0) -> dict[str, News]:
        async def work(mirror: Mirror) -> dict[str, News]:
            return {news.region: news for news in await mirror.follow(self.world.now)}

        return self.work(work, deadline)


@pytest.fixture
def among(root: Path, world: World) -> Iterator[Callable[..., Nodes]]:
    with ExitStack() as stack:
        yield lambda *nodes: Nodes(stack, root, world, *nodes)


def stored(root: Path, region: str, world: World) -> list[bytes]:
    return list(FederationDirectory(root, world.suite).regions[region].entries())


def whole(root: Path, world: World) -> bool:
    return all(stored(root, r, world) == world.regions[r].entries for r in world.regions)


def lying(world: World, method: str, lie: Method) -> FakeNode:
    return FakeNode(world, lies={f"Federation/{method}": lie})


def only_for(node: FakeNode, method: str, region: str, lie: Method) -> FakeNode:
    """A node that lies about one region and is honest otherwise."""
    honest: Method = getattr(node, f"_{method}")

    def answer(request: Any, context: Any) -> Any:
        return lie(request, context) if request.region == region else honest(request, context)

    node.lies[f"Federation/{method}"] = answer
    return node


def other_history(world: World, region: str, keep: int, more: int) -> FakeLog:
    """A log of the region with other entries from `keep` on, properly signed."""
    log = copy.copy(FakeNode(world).log(region))
    writer = LogWriter(log.key, world.federation.id, region)
    for entry in log.entries[:keep]:
        writer.index += 1
        writer.previous = digest(entry)
    log.entries = log.entries[:keep] + [
        writer.append(Kind.CHECKPOINTS, b"other %d" % i) for i in range(more)
    ]
    return log


# --- honest nodes ------------------------------------------------------------------------


def test_a_new_copy_is_whole_and_a_second_round_brings_nothing(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    node = FakeNode(world)
    nodes = among(node)
    found = nodes.follow()
    assert whole(root, world)
    assert {r: (n.new, n.answered, n.faults) for r, n in found.items()} == {
        r: (len(world.regions[r].entries), True, []) for r in world.regions
    }
    node.calls.clear()
    assert all(news.new == 0 and news.answered for news in nodes.follow().values())
    assert not node.asked("Federation/ListEntries")
    for region in world.regions:
        note = root / "regions" / region / "public" / "checkpoint"
        assert note.read_bytes() == FakeNode(world).log(region).note()


def test_a_federation_without_witnesses_is_followed_by_the_log_s_signature(
    tmp_path: Path,
) -> None:
    alone = World(regions=(A, B))
    FederationDirectory.found(tmp_path, alone.signed_charter)
    with ExitStack() as stack:
        Nodes(stack, tmp_path, alone, FakeNode(alone)).follow()
    assert whole(tmp_path, alone)


def test_a_copy_follows_later_charters(tmp_path: Path) -> None:
    """A log key is renewed, a member joins; the copy began with the first version alone."""
    world = World(regions=(A, B))
    FederationDirectory.found(tmp_path, world.signed_charter)
    with ExitStack() as stack:
        nodes = Nodes(stack, tmp_path, world, FakeNode(world))
        nodes.follow()
    assert whole(tmp_path, world)
    world.logs[A] = SigningKey(world.entropy.octets(32))
    data = signed(world, amended(world, add=["500000"], renew=[member(world, A)]))
    for name in (A, B):
        adopt(world, name, data)
    found(world, "500000")
    world.turn()
    silent = FakeNode(world, lies={"Federation/GetCharter": constant(pb.GetCharterResponse())})
    with ExitStack() as stack:
        news = Nodes(stack, tmp_path, world, silent).follow()
    # B's log names the blob; A's checkpoint is of a key that nobody vouches for yet.
    assert stored(tmp_path, B, world) == world.regions[B].entries
    assert [fault.reason for fault in news[A].faults] == ["note-signature"]
    with ExitStack() as stack:
        nodes = Nodes(stack, tmp_path, world, FakeNode(world))
        assert not any(news.faults for news in nodes.follow().values())
        assert not any(news.faults for news in nodes.follow().values())
    kept = FederationDirectory(tmp_path, world.suite)
    assert kept.catch_up().federation.version == 2
    assert all(list(kept.regions[r].entries()) == world.regions[r].entries for r in world.regions)
    # Whoever begins now gets all versions at once.
    later = tmp_path / "later"

    async def begin() -> None:
        with serving(FakeNode(world)) as target:
            async with NodeChannel(target, None) as channel:
                client = FederationClient(channel)
                await fetch_charter([client], later, world.federation.id, world.suite)

    asyncio.run(begin())
    with ExitStack() as stack:
        Nodes(stack, later, world, FakeNode(world)).follow()
    assert whole(later, world)


def test_what_broke_off_is_resumed(among: Callable[..., Nodes], root: Path, world: World) -> None:
    node = FakeNode(world, sizes=dict.fromkeys(world.regions, 4))
    nodes = among(node)
    nodes.follow()
    # Killed after two further entries were written and before their checkpoint was.
    files = FederationDirectory(root, world.suite).regions[A]
    for index in (4, 5):
        path = root / "regions" / A / "public" / "entries" / f"{index:08d}.cose"
        path.write_bytes(world.regions[A].entries[index])
    assert len(list(files.entries())) == 6
    node.sizes.clear()
    node.calls.clear()
    found = nodes.follow()
    assert whole(root, world)
    assert found[A].new == len(world.regions[A].entries) - 6
    starts = {
        request.region: request.start
        for request in map(pb.ListEntriesRequest.FromString, node.asked("Federation/ListEntries"))
    }
    assert starts == {A: 6, B: 4, C: 4, D: 4}


def test_a_full_disk_loses_nothing(
    among: Callable[..., Nodes], root: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = among(FakeNode(world))

    async def work(mirror: Mirror) -> None:
        files = mirror.directory.regions[A]
        publish = files.publish
        left = [3]

        def full(publications: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            publish(publications)

        monkeypatch.setattr(files, "publish", full)
        with pytest.raises(OSError, match="No space"):
            await mirror.follow(world.now)
        assert len(stored(root, A, world)) == 3
        monkeypatch.undo()
        await mirror.follow(world.now)

    nodes.work(work)
    assert whole(root, world)


def test_the_charter_is_pinned_by_its_identifier(tmp_path: Path, world: World) -> None:
    stranger = World(regions=(A, B), seed=9)

    async def main(targets: list[str], federation: bytes) -> Any:
        async with AsyncExitStack() as stack:
            clients = [
                FederationClient(
                    await stack.enter_async_context(
                        NodeChannel(target, None, patience=Patience(tries=1))
                    )
                )
                for target in targets
            ]
            return await fetch_charter(clients, tmp_path, federation, world.suite)

    with serving(FakeNode(stranger)) as first, serving(FakeNode(world)) as second:
        with pytest.raises(CallerError) as caught:
            asyncio.run(main([first, NOBODY], world.federation.id))
        assert caught.value.reason is Reason.STORE_MISSING
        assert not (tmp_path / "charter.cbor").exists()
        faults = asyncio.run(main([first, NOBODY, second], world.federation.id))
    assert [fault.reason for fault in faults] == ["charter", UNREACHABLE]
    assert FederationDirectory(tmp_path, world.suite).federation.id == world.federation.id


# --- one bad node, one good one ----------------------------------------------------------


def _note(region: str, **wrong: Any) -> Callable[[World], Method]:
    def lie(world: World) -> Method:
        return constant(pb.GetCheckpointResponse(note=FakeNode(world).log(region).note(**wrong)))

    return lie


def _reversed_entries(world: World) -> Method:
    def lie(request: Any, _context: Any) -> Any:
        entries = world.regions[request.region].entries
        return pb.ListEntriesResponse(entries=reversed(entries[request.start :]), size=len(entries))

    return lie


def _foreign_entries(world: World) -> Method:
    def lie(request: Any, _context: Any) -> Any:
        other = B if request.region == A else A
        size = len(world.regions[request.region].entries)
        entries = world.regions[other].entries[request.start : size]
        return pb.ListEntriesResponse(entries=entries, size=size)

    return lie


def _slow(_world: World) -> Method:
    def lie(_request: Any, context: Any) -> Any:
        while context.is_active():
            time.sleep(0.01)

    return lie


BAD: dict[str, tuple[str, Callable[[World], Method], set[str]]] = {
    "too few cosignatures": (
        "GetCheckpoint",
        _note(A, cosigners=["witness-1", "witness-2"]),
        {"cosignatures", "note"},
    ),
    "k cosignatures of one key": (
        "GetCheckpoint",
        _note(A, cosigners=["witness-1"] * 3),
        {"cosignatures", "note"},
    ),
    "a note of another log": ("GetCheckpoint", _note(B), {"note", ""}),
    "no note": (
        "GetCheckpoint",
        lambda _w: constant(pb.GetCheckpointResponse(note=b"hello\n\nworld\n")),
        {"note"},
    ),
    "a note too large": (
        "GetCheckpoint",
        lambda _w: constant(pb.GetCheckpointResponse(note=bytes(6 << 20))),
        {TOO_LARGE},
    ),
    "entries in reverse": ("ListEntries", _reversed_entries, {"record-order"}),
    "entries of another region": ("ListEntries", _foreign_entries, {"record-signature"}),
    "entries of nothing": (
        "ListEntries",
        lambda _w: constant(pb.ListEntriesResponse(entries=[b"\xa0"] * 3, size=99)),
        {"record-kind"},
    ),
    "no entries": (
        "ListEntries",
        lambda _w: constant(pb.ListEntriesResponse(size=0)),
        {"log-proof"},
    ),
    "no answer in time": ("GetCheckpoint", _slow, {UNREACHABLE}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_node_is_named_and_the_next_one_is_asked(
    among: Callable[..., Nodes], root: Path, world: World, name: str
) -> None:
    method, lie, reasons = BAD[name]
    bad = lying(world, method, lie(world))
    nodes = among(bad, FakeNode(world))
    found = nodes.follow(deadline=1.0)
    assert whole(root, world)
    faults = [fault for news in found.values() for fault in news.faults]
    assert {fault.target for fault in faults} == {nodes.targets[0]}
    assert {fault.reason for fault in faults} <= reasons
    assert all(news.answered and news.fork is None for news in found.values())
    # It is asked last from then on: one fault, not one for each region.
    assert len(faults) <= 2


@pytest.mark.parametrize("name", BAD)
def test_with_bad_nodes_only_nothing_is_taken_in(
    among: Callable[..., Nodes], root: Path, world: World, name: str
) -> None:
    method, lie, reasons = BAD[name]
    found = among(lying(world, method, lie(world))).follow(deadline=0.5)
    if name == "a note of another log":
        # For that other log it is a true one.
        assert stored(root, B, world) == world.regions[B].entries
        return
    if method == "ListEntries" and name == "entries in reverse":
        assert not any(news.new for news in found.values())
    for region, news in found.items():
        assert not news.answered
        assert news.faults[0].reason in reasons
        assert not stored(root, region, world)
        assert not (root / "regions" / region / "public" / "checkpoint").exists()


def test_nobody_answers(root: Path, world: World) -> None:
    with ExitStack() as stack:
        nodes = Nodes(stack, root, world)
        nodes.targets = [NOBODY]
        found = nodes.follow()
    assert {fault.reason for news in found.values() for fault in news.faults} == {UNREACHABLE}


def test_one_bad_region_does_not_stop_the_others(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    node = FakeNode(world)
    only_for(node, "ListEntries", B, constant(pb.ListEntriesResponse(entries=[b"x"], size=99)))
    found = among(node).follow()
    assert not found[B].answered
    assert not stored(root, B, world)
    for region in (A, C, D):
        assert stored(root, region, world) == world.regions[region].entries


def test_a_rolled_back_log_is_named_and_changes_nothing(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    node = FakeNode(world)
    nodes = among(node)
    nodes.follow()
    node.sizes[A] = 3
    found = nodes.follow()
    assert [fault.reason for fault in found[A].faults] == [ROLLED_BACK]
    assert not found[A].answered
    assert found[A].fork is None
    assert whole(root, world)


def test_a_stale_mirror_is_passed_over_for_a_fresh_one(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    """The stale one answers with the truth of yesterday: no fault, but not enough."""
    stale = FakeNode(world, sizes=dict.fromkeys(world.regions, 4))
    fresh = FakeNode(world)
    among(stale, fresh).follow()
    assert whole(root, world)


# --- two histories -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "more", "cosigners"),
    [
        (0, -1, ()),  # the same size, hardly cosigned
        (0, -1, None),
        (3, -1, None),
        (3, 2, None),  # shorter than the known one
        (5, 40, None),  # longer
        (0, 40, None),
    ],
)
def test_a_fork_is_proven_stored_and_not_taken_in(
    among: Callable[..., Nodes],
    root: Path,
    world: World,
    keep: int,
    more: int,
    cosigners: tuple[str, ...] | None,
) -> None:
    honest, forked = FakeNode(world), FakeNode(world)
    size = len(world.regions[A].entries)
    other = other_history(world, A, keep, size - keep if more < 0 else more)
    among(honest).follow()
    forked.logs[A] = other
    note = other.note(cosigners=cosigners)
    only_for(forked, "GetCheckpoint", A, constant(pb.GetCheckpointResponse(note=note)))
    nodes = among(forked, honest)
    found = nodes.follow()
    assert [fault.reason for fault in found[A].faults] == [FORKED]
    # The other node still gives the known history: followed on.
    assert found[A].answered
    assert whole(root, world)
    evidence = found[A].fork
    assert evidence is not None
    (path,) = (root / "regions" / A / "forks").iterdir()
    for one in (evidence, Equivocation.decode(path.read_bytes())):
        key = world.federation.member(A).log_key
        check_equivocation(one, world.federation.origin(A), key)
    assert all(found[region].fork is None for region in (B, C, D))


def test_a_fork_without_enough_cosignatures_and_another_size_is_refused(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    honest, forked = FakeNode(world), FakeNode(world)
    among(honest).follow()
    other = other_history(world, A, 3, 90)
    forked.logs[A] = other
    note = other.note(cosigners=("witness-1",))
    only_for(forked, "GetCheckpoint", A, constant(pb.GetCheckpointResponse(note=note)))
    found = among(forked).follow()
    assert [fault.reason for fault in found[A].faults] == ["cosignatures"]
    assert found[A].fork is None
    assert whole(root, world)


def test_a_lying_node_cannot_make_a_fork_of_a_true_checkpoint(
    among: Callable[..., Nodes], root: Path, world: World
) -> None:
    """A true, newer checkpoint with the entries of another history under it."""
    honest = FakeNode(world, sizes={A: 5})
    nodes = among(honest)
    nodes.follow()
    liar = FakeNode(world)
    liar.logs[A] = other_history(world, A, 5, 40)
    note = FakeNode(world).log(A).note()
    only_for(liar, "GetCheckpoint", A, constant(pb.GetCheckpointResponse(note=note)))
    found = among(liar).follow()
    assert found[A].fork is None
    assert [fault.reason for fault in found[A].faults] == ["log-proof"]
    assert len(stored(root, A, world)) == 5


# --- blobs -------------------------------------------------------------------------------


@pytest.fixture
def turned(tmp_path: Path) -> tuple[World, Path, list[Wallet]]:
    """Two holders of one bucket, one of another, and an epoch after they enrolled."""
    world = World(regions=(A, B), witnesses=4)
    wallets = [world.holder(A), world.holder(A), world.holder(B)]
    world.turn()
    FederationDirectory.found(tmp_path, world.signed_charter)
    return world, tmp_path, wallets


def test_a_wallet_is_refreshed_and_shows_offline(turned: tuple[World, Path, list[Wallet]]) -> None:
    world, root, wallets = turned
    wallet = wallets[0]
    with ExitStack() as stack:
        nodes = Nodes(stack, root, world, FakeNode(world))

        async def work(mirror: Mirror) -> None:
            await mirror.follow(world.now)
            assert await mirror.fetch_for_wallet(wallet.state.slots, world.now) == ()

        nodes.work(work)
    # From here on there is no network.
    records = FederationDirectory(root, world.suite)
    view = records.catch_up()
    for region, slot in wallet.state.slots:
        published = view.region(region).latest()
        assert published is not None
        assert wallet.refresh(region, slot, published, records.fetch) == "renewed"
    bundle = audit_bundle(
        view,
        B,
        POLICY,
        epoch=world.federation.clock.shown_epoch(world.now),
        now=world.now,
        fetch=records.fetch,
        entropy=world.entropy,
    )
    gate = world.regions[B].checkpoint
    shown = wallet.show(gate.poster(), bundle, view, world.now, world.entropy, EVERY_CONSENT)
    assert str(gate.verify(shown.text(), world.now, world.entropy)) == "ACCEPT"


def test_holders_of_one_bucket_send_the_same_requests(
    turned: tuple[World, Path, list[Wallet]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world, _, wallets = turned
    recorded = []
    for wallet in wallets:
        root = tmp_path_factory.mktemp("copy")
        FederationDirectory.found(root, world.signed_charter)
        node = FakeNode(world)
        with ExitStack() as stack:
            nodes = Nodes(stack, root, world, node)

            async def work(mirror: Mirror, wallet: Wallet = wallet) -> None:
                await mirror.follow(world.now)
                await mirror.fetch_for_wallet(wallet.state.slots, world.now)

            nodes.work(work)
        recorded.append(node.calls)
    slots = [list(wallet.state.slots) for wallet in wallets]
    assert slots[0] != slots[1]
    assert recorded[0] == recorded[1]
    # One of another bucket differs in the boards and buckets only, which come last.
    same = [a == b for a, b in zip(recorded[0], recorded[2], strict=False)]
    assert False in same
    bundles = same.index(False)
    assert {name for name, _ in recorded[0][bundles:]} == {"Federation/GetBlobs"}


def test_bundles_are_always_of_all_regions(turned: tuple[World, Path, list[Wallet]]) -> None:
    world, root, _ = turned
    node = FakeNode(world)
    with ExitStack() as stack:
        nodes = Nodes(stack, root, world, node)

        async def work(mirror: Mirror) -> None:
            await mirror.follow(world.now)
            assert await mirror.fetch_bundles(world.epoch, world.now) == ()

        nodes.work(work)
    asked = {
        name
        for request in map(pb.GetBlobsRequest.FromString, node.asked("Federation/GetBlobs"))
        for name in request.names
    }
    wanted = set()
    for view in world.view.regions.values():
        wanted |= {e.keys for (t, _), e in view.lists.items() if t == world.epoch}
        wanted |= {h for p in view.policies.values() for h in (p.part.document, p.part.table)}
    assert asked == wanted


def test_blobs_that_one_node_withholds_or_spoils_come_from_the_next(
    turned: tuple[World, Path, list[Wallet]],
) -> None:
    world, root, wallets = turned
    withholding = FakeNode(world, blobs={})
    spoiling = FakeNode(world, blobs=dict.fromkeys(world.blobs, b"spoiled"))
    breaking = lying(world, "GetBlobs", lambda _r, _c: iter([b"\xff\xff\xff"]))
    with ExitStack() as stack:
        nodes = Nodes(stack, root, world, withholding, spoiling, breaking, FakeNode(world))

        async def work(mirror: Mirror) -> None:
            await mirror.follow(world.now)
            assert await mirror.fetch_for_wallet(wallets[0].state.slots, world.now) == ()

        nodes.work(work)


def test_blobs_that_nobody_gives_are_named(turned: tuple[World, Path, list[Wallet]]) -> None:
    world, root, wallets = turned
    with ExitStack() as stack:
        nodes = Nodes(stack, root, world, FakeNode(world, blobs={}))

        async def work(mirror: Mirror) -> None:
            await mirror.follow(world.now)
            missing = await mirror.fetch_for_wallet(wallets[0].state.slots, world.now)
            assert {wanted.region for wanted in missing} == {A, B}

        nodes.work(work)
