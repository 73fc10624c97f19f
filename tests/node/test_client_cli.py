"""The command line with nodes: refresh, enrolment, beginning a copy, and what it says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from guosuo.cli.common import read_code, read_time
from guosuo.cli.examples import read_anchors
from guosuo.evidence.dcc import verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.host.directory import FederationDirectory
from guosuo.host.vault import KeyFile
from guosuo.host.wallet_file import WalletFile
from guosuo.pb import enrolment_pb2
from guosuo.pb import federation_pb2 as fpb
from guosuo.roles.enrolment import EnrolRequest
from guosuo.roles.wallet import Wallet
from tests.cli.stage import ENROL, Said, done, guosuo
from tests.support.copies import write_copy
from tests.support.fake_node import FakeNode, constant, fail, serving
from tests.support.tls import Authority
from tests.support.world import World, seeded

A, B = "110000", "330000"
NOBODY = "127.0.0.1:1"


@dataclass
class Scene:
    """A world with an honest node, and a wallet's file."""

    world: World
    node: FakeNode
    target: str
    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "fed"

    @property
    def file(self) -> Path:
        return self.folder / "lan.wallet"

    @property
    def asking(self) -> tuple[str, ...]:
        return ("--node", self.target, "--ca", str(self.folder / "ca.pem"))

    @property
    def key(self) -> tuple[str, ...]:
        return ("--key-file", str(self.folder / "wallet.key"))

    def save(self, wallet: Wallet) -> None:
        secret = KeyFile.create(self.folder / "wallet.key", seeded(5))
        WalletFile(self.world.federation, self.file, secret).save(wallet, seeded(6))

    def load(self) -> Wallet:
        secret = KeyFile(self.folder / "wallet.key")
        return WalletFile(self.world.federation, self.file, secret).load()

    def refresh(self, *more: str) -> Said:
        return guosuo(
            *("wallet", "refresh", str(self.file), "--federation", str(self.root), *self.key),
            *("--now", str(self.world.now), *more),
        )

    def checkpoint(self, *more: str) -> Said:
        return guosuo(
            *("checkpoint", "refresh", "--federation", str(self.root), "--at", f"{B}/gate-{B}"),
            *("--now", str(self.world.now), *more),
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    world, authority = World(regions=(A, B), witnesses=4), Authority.make()
    node = FakeNode(world)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with serving(node, authority.certificate()) as target:
        yield Scene(world, node, target, tmp_path)


# --- refresh -----------------------------------------------------------------------------


def test_a_wallet_is_refreshed_from_a_node_and_then_works_offline(scene: Scene) -> None:
    world = scene.world
    FederationDirectory.found(scene.root, world.signed_charter)
    scene.save(world.holder(A))
    world.turn()
    said = scene.refresh(*scene.asking)
    assert said.code == 0, said
    assert ": renewed" in said.out
    assert "Valid offline until " in said.out
    calls = len(scene.node.calls)
    # The world goes on without us: offline the copy is as it was.
    again = scene.refresh("--json")
    assert (again.code, len(scene.node.calls)) == (0, calls)
    clock = world.federation.clock
    assert again.json["valid_offline_until"] == clock.start(world.epoch + 2)
    assert again.json["gates"] == {A: clock.start(world.epoch + 2), B: clock.start(world.epoch + 2)}
    assert again.json["unobtrusive_until"] == clock.start(world.epoch + 1) + 4800
    shown = guosuo(
        *("wallet", "show", str(scene.file), "--federation", str(scene.root), *scene.key),
        *("--at", f"{B}/gate-{B}", "--new-place", "--now", str(world.now), "--json"),
    )
    assert shown.code == 0, shown
    gate = world.regions[B].checkpoint
    assert str(gate.verify(shown.json["text"], world.now, world.entropy)) == "ACCEPT"
    assert len(scene.node.calls) == calls


def test_when_the_last_list_has_ended_it_says_so(scene: Scene) -> None:
    write_copy(scene.world, scene.root)
    scene.save(scene.world.holder(A))
    scene.world.now += 5 * 14_400
    said = scene.refresh()
    assert "Valid offline: not now" in said.out


def test_a_dead_node_is_passed_over_and_named(scene: Scene) -> None:
    FederationDirectory.found(scene.root, scene.world.signed_charter)
    scene.save(scene.world.holder(A))
    scene.world.turn()
    said = scene.refresh("--node", NOBODY, *scene.asking)
    assert said.code == 0, said
    assert f"{NOBODY} ({A}): unreachable" in said.err


def test_with_dead_nodes_only_it_says_what_to_do_and_changes_nothing(scene: Scene) -> None:
    write_copy(scene.world, scene.root)
    scene.save(scene.world.holder(A))
    said = scene.refresh("--node", NOBODY, "--ca", str(scene.folder / "ca.pem"))
    assert said.code == 2
    assert "no node gave a checkpoint that holds" in said.err
    assert "node-unreachable" in said.err
    assert scene.refresh().code in {0, 1}


def test_a_fork_is_told(scene: Scene) -> None:
    world = scene.world
    FederationDirectory.found(scene.root, world.signed_charter)
    scene.save(world.holder(A))
    world.turn()
    assert scene.refresh(*scene.asking).code == 0
    log = scene.node.log(A)
    log.entries = [*log.entries[:-1], log.entries[0]]
    note = constant(fpb.GetCheckpointResponse(note=log.note(cosigners=())))
    scene.node.lies["Federation/GetCheckpoint"] = note
    said = scene.refresh(*scene.asking)
    assert f"The log of {A} has TWO HISTORIES" in said.err
    assert list((scene.root / "regions" / A / "forks").iterdir())


def test_a_checkpoint_is_refreshed_with_its_own_region_only(scene: Scene) -> None:
    FederationDirectory.found(scene.root, scene.world.signed_charter)
    state = str(scene.folder / "gate.state")
    said = scene.checkpoint(*scene.asking, "--state", state, "--json")
    assert said.code == 0, said
    until = scene.world.federation.clock.start(scene.world.epoch + 3)
    assert said.json["valid_offline_until"] == until
    assert said.json["regions"][0]["region"] == B
    asked = [fpb.GetCheckpointRequest.FromString(d).region for _, d in scene.node.calls[:1]]
    assert asked == [B]
    assert not (scene.root / "regions" / A / "public").exists()
    offline = scene.checkpoint("--state", state)
    assert "Valid offline until" in offline.out
    scene.world.now += 30 * 86_400
    assert "cannot decide now" in scene.checkpoint("--state", state).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--node", "host:1"), "--ca"),
        (("--nodes",), "--ca"),
        (("--node", "host:1", "--nodes", "--ca", "ca.pem"), "for those of the charter"),
        (("--nodes", "--ca", "ca.pem"), "names no nodes"),
        (("--node", "host", "--ca", "ca.pem"), "host:port"),
        (("--node", "host:1", "--ca", "none.pem"), "no such file"),
        (("--node", "host:1", "--ca", "empty.pem"), "authority"),
    ],
)
def test_misuse_says_what_to_do(
    scene: Scene, options: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene.folder)
    Path("empty.pem").touch()
    write_copy(scene.world, scene.root)
    scene.save(scene.world.wallet())
    said = scene.refresh(*options)
    assert said.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1


# --- beginning ---------------------------------------------------------------------------


def init(scene: Scene, identifier: str) -> Said:
    return guosuo(
        *("wallet", "init", str(scene.file), "--federation", str(scene.root), *scene.key),
        *(*scene.asking, "--id", identifier),
    )


def test_a_wallet_begins_from_a_node_and_a_pinned_identifier(scene: Scene) -> None:
    identifier = scene.world.federation.id.hex()
    said = init(scene, identifier)
    assert said.code == 0, said
    assert identifier in said.out
    assert FederationDirectory(scene.root, scene.world.suite).federation.id.hex() == identifier


@pytest.mark.parametrize("identifier", ["00" * 32, "00", "x" * 64])
def test_another_identifier_begins_nothing(scene: Scene, identifier: str) -> None:
    said = init(scene, identifier)
    assert said.code == 2
    assert not scene.root.exists()
    assert not scene.file.exists()


def test_a_directory_of_another_federation_stays_as_it_is(scene: Scene) -> None:
    write_copy(World(regions=(A, B), seed=9), scene.root)
    said = init(scene, scene.world.federation.id.hex())
    assert said.code == 2
    assert "another federation" in said.err


# --- enrolment ---------------------------------------------------------------------------


class Counter:
    """The node's side of enrolment: same request, same answer."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.answers, self.broken = scene, dict[bytes, bytes](), 0
        self.identifications: list[str] = []
        scene.node.lies |= {"Enrolment/GetOffer": self.offer, "Enrolment/Enrol": self.enrol}
        anchors = read_anchors(Path("try/anchors.json"), scene.world.federation, allow_test=True)
        self.text = read_code("try/LT-2.png")
        self.fact = fact_from_dcc(verify(self.text, anchors, now=read_time(ENROL)))

    def offer(self, _request: object, _context: object) -> enrolment_pb2.GetOfferResponse:
        world = self.scene.world
        offer = world.regions[A].issuer.offer(world.now, world.entropy)
        return enrolment_pb2.GetOfferResponse(offer=offer)

    def enrol(self, request: Any, context: Any) -> enrolment_pb2.EnrolResponse:  # noqa: ANN401
        assert request.evidence == self.text.encode()
        self.identifications.append(request.identification)
        world = self.scene.world
        if request.request not in self.answers:
            answer = world.regions[A].issuer.enrol(
                EnrolRequest.decode(request.request), b"lan", self.fact, world.now, world.entropy
            )
            self.answers[request.request] = answer.encode()
        if self.broken:
            self.broken -= 1
            fail(context, grpc.StatusCode.INTERNAL, "internal")
        return enrolment_pb2.EnrolResponse(answer=self.answers[request.request])


@pytest.fixture
def counter(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """When the example certificates are fresh, and a wallet that has nothing yet."""
    monkeypatch.chdir(scene.folder)
    done("examples", "try")
    world = scene.world
    now = read_time(ENROL)
    world.epoch = world.federation.clock.epoch_at(now) - 2
    world.turn()
    world.turn()
    world.now = now
    FederationDirectory.found(scene.root, world.signed_charter)
    scene.save(world.wallet())
    return Counter(scene)


def enrol(scene: Scene, *more: str) -> Said:
    return guosuo(
        *(
            "wallet",
            "enrol",
            str(scene.file),
            "--federation",
            str(scene.root),
            *scene.key,
            *scene.asking,
        ),
        *("--dcc", "try/LT-2.png", "--anchors", "try/anchors.json", "--allow-test-anchors"),
        *("--identification", "4403-1987", "--now", ENROL, *more),
    )


def test_enrolment_with_a_node_in_one_command(scene: Scene, counter: Counter) -> None:
    said = enrol(scene, "--json")
    assert said.code == 0, said
    assert said.json["granted"]
    assert list(scene.load().state.slots) == [(A, said.json["slot"])]
    assert counter.identifications == ["4403-1987"]
    assert not (scene.folder / "lan.wallet.request").exists()


def test_an_enrolment_that_broke_off_is_given_again(scene: Scene, counter: Counter) -> None:
    counter.broken = 1
    said = enrol(scene)
    assert said.code == 2
    assert "node-refused" in said.err
    assert "4403" not in said.err
    kept = scene.folder / "lan.wallet.request"
    assert kept.stat().st_mode & 0o777 == 0o600
    again = enrol(scene, "--json")
    assert again.code == 0, again
    # The same request: one slot, not two.
    assert len(counter.answers) == 1
    assert len(scene.load().state.slots) == 1
    assert not kept.exists()


def test_a_signed_refusal_ends_the_request(scene: Scene, counter: Counter) -> None:
    assert enrol(scene).code == 0
    with ExitStack():
        other = scene.folder / "other"
        other.mkdir()
        thief = Scene(scene.world, scene.node, scene.target, other)
        (other / "ca.pem").write_bytes((scene.folder / "ca.pem").read_bytes())
        FederationDirectory.found(thief.root, scene.world.signed_charter)
        thief.save(scene.world.wallet())
        said = enrol(thief, "--json")
    assert said.code == 1, said
    assert said.json == {"granted": False, "refusal": "other-secret"}
    assert not (other / "lan.wallet.request").exists()
    assert len(counter.answers) == 2


def test_one_way_to_enrol_at_a_time(scene: Scene, counter: Counter) -> None:
    assert counter.broken == 0
    said = enrol(scene, "--offer", "x")
    assert said.code == 2
    assert "--node for both" in said.err


# --- without the extra -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["refresh", "serve", "enrol"])
def test_without_grpc_it_says_what_to_install(
    scene: Scene, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_copy(scene.world, scene.root)
    scene.save(scene.world.wallet())
    for name in list(sys.modules):
        if name.partition(".")[0] == "grpc" or name.startswith(("guosuo.client", "guosuo.pb")):
            monkeypatch.delitem(sys.modules, name)
    for name in ("online", "serving_host"):
        monkeypatch.delitem(sys.modules, f"guosuo.cli.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    match command:
        case "refresh":
            said = scene.refresh(*scene.asking)
        case "serve":
            said = guosuo(
                *("checkpoint", "serve", "--federation", str(scene.root), "--at", f"{B}/gate-{B}"),
                *("--state", str(scene.folder / "s"), "--listen", "127.0.0.1:0"),
            )
        case _:
            said = enrol(scene)
    assert said.code == 2
    assert "guosuo[client]" in said.err
    # Files work without it.
    assert scene.refresh().code == 0


def test_commands_on_files_import_no_client() -> None:
    for name in ("nodes", "serving", "enrolling", "wallet", "checkpoint", "main"):
        module = importlib.import_module(f"guosuo.cli.{name}")
        source = Path(str(module.__file__)).read_text("utf-8")
        assert not [
            line
            for line in source.splitlines()
            if line.startswith(("from guosuo.client", "import grpc", "from guosuo.pb"))
        ]
