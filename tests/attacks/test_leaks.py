"""Nothing secret is ever said: not in a repr, a message, a log line or a traceback.

A whole life is lived (enrol, refresh, show, suspend, and every error that is easy to
make) with logging on. Every scalar that anybody drew is secret, and so are slot keys,
evidence values and signing keys. All text and all octets that come out are searched
for all of them, in every notation a program would print.
"""

from __future__ import annotations

import base64
import functools
import logging
import random
import re
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum

import nacl.signing
import pytest

from guosuo.credential.ownership import Purpose
from guosuo.credential.renewal import blind_scalar
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import Point
from guosuo.curve.scalar import Scalar
from guosuo.errors import GuosuoError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.value import unpack
from guosuo.federation.audit import audit_epoch
from guosuo.federation.records import Kind, PutBlob, sign
from guosuo.presentation.frame import Challenge, Frame
from guosuo.presentation.proof import Presentation
from guosuo.roles.checkpoint import CheckpointState
from guosuo.roles.enrolment import Answer, EnrolRequest, RefusalCode
from guosuo.roles.holding import HeldSlot
from guosuo.roles.states import (
    decode_issuer,
    decode_wallet,
    encode_checkpoint,
    encode_gate,
    encode_issuer,
    encode_wallet,
)
from guosuo.roles.wallet import Wallet
from tests.support import world as world_module
from tests.support.world import EVERY_CONSENT, POLICY, World, fact

HOME, GATE = "440000", "110000"
HOUR = 3600


# --- the search -----------------------------------------------------------------------


@dataclass
class Secrets:
    """Everything that must not come out, by what it is."""

    octets: dict[bytes, str] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)

    def add(self, secret: Scalar | bytes | int, name: str) -> None:
        if isinstance(secret, Scalar):
            self.add(int(secret), name)
            self.add(secret.encode(), name)
        elif isinstance(secret, bytes):
            assert len(secret) >= 8
            self.octets[secret] = name
        else:
            assert secret >= 1 << 32
            self.numbers[secret] = name

    def in_text(self, text: str) -> set[str]:
        """Names of secrets that a text shows: decimal, hex, repr, Base64, list of octets."""
        numerals = {int(n) for n in re.findall(r"\d{9,}", text)}
        found = {self.numbers[n] for n in numerals & self.numbers.keys()}
        lower = text.lower()
        for number, name in self.numbers.items():
            if f"{number:x}" in lower:
                found.add(name)
        for octets, name in self.octets.items():
            forms = (
                octets.hex(),
                octets.hex(" "),
                repr(octets)[2:-1].lower(),
                base64.b64encode(octets).decode().rstrip("=").lower(),
                base64.urlsafe_b64encode(octets).decode().rstrip("=").lower(),
                ", ".join(str(o) for o in octets),
            )
            if any(form in lower for form in forms):
                found.add(name)
        return found

    def in_octets(self, data: bytes) -> set[str]:
        """Names of secrets whose octets stand in `data`, in either order of octets."""
        found = {name for s, name in self.octets.items() if s in data or s[::-1] in data}
        for number, name in self.numbers.items():
            size = (number.bit_length() + 7) // 8
            big = number.to_bytes(size, "big")
            if big in data or big[::-1] in data:
                found.add(name)
        return found


def test_the_search_finds_what_it_is_meant_to_find() -> None:
    """Twin of everything below: each notation is recognised, and plain text is not."""
    secrets = Secrets()
    scalar, octets = Scalar(1 << 200 | 0xABCDEF), bytes(range(32, 64))
    secrets.add(scalar, "scalar")
    secrets.add(octets, "octets")
    secrets.add(1 << 60 | 77, "value")
    for text, name in (
        (f"x={int(scalar)}", "scalar"),
        (f"{int(scalar):#x}", "scalar"),
        (scalar.encode().hex().upper(), "scalar"),
        (repr({"key": scalar.encode()}), "scalar"),
        (str(list(octets)), "octets"),
        (repr([octets]), "octets"),
        (base64.b64encode(octets).decode(), "octets"),
        (f"value {1 << 60 | 77} of", "value"),
    ):
        assert secrets.in_text(text) == {name}
    assert secrets.in_octets(b"head" + octets + b"tail") == {"octets"}
    assert secrets.in_octets(b"head" + scalar.encode()) == {"scalar"}
    assert secrets.in_octets((1 << 60 | 77).to_bytes(8, "little")) == {"value"}
    assert secrets.in_text("Scalar(...) in [1, r − 1], 2 of 40 slots, e5f4") == set()
    assert secrets.in_octets(bytes(64)) == set()


def _reachable(*roots: object) -> Iterator[object]:
    """Every object of ours (and plain value) that can be reached through fields."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item
        elif type(item).__module__.startswith("guosuo") and not isinstance(item, Point | Enum):
            yield item
            names = [f.name for f in fields(item)] if is_dataclass(item) else []
            names += [*getattr(item, "__slots__", ()), *vars(type(item)).get("__slots__", ())]
            names += list(getattr(item, "__dict__", {}))
            waiting += [getattr(item, name) for name in names if hasattr(item, name)]
            seen.add(id(item))
        elif isinstance(item, Point):
            yield item


def _said(item: object) -> Iterator[str]:
    yield repr(item)
    yield str(item)
    yield f"{item}"
    yield f"{item!r:.400}"


def _spoken(error: BaseException) -> Iterator[str]:
    """All that is printed of an exception, and of everything it hangs on to."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=False)
    yield "".join(formatted.format())
    link: BaseException | None = error
    while link is not None:
        yield repr(link)
        yield str(link)
        yield repr(link.args)
        link = link.__cause__ or link.__context__


# --- a life ---------------------------------------------------------------------------


class Watched(Entropy):
    """Entropy that remembers every scalar it gave: all of them are somebody's secret."""

    __slots__ = ("drawn",)

    def __init__(self, source: Callable[[int], bytes]) -> None:
        super().__init__(source)
        self.drawn: list[Scalar] = []

    def scalar(self) -> Scalar:
        self.drawn.append(super().scalar())
        return self.drawn[-1]


@dataclass
class Life:
    """A world in which much has happened, and what came out of it."""

    world: World
    wallets: list[Wallet]
    secrets: Secrets
    errors: list[BaseException] = field(default_factory=list)
    messages: list[object] = field(default_factory=list)
    """Objects that roles handed out."""
    emitted: list[bytes] = field(default_factory=list)
    """Octets that wallets sent or displayed."""
    logged: str = ""

    def attempt(self, action: Callable[[], object]) -> None:
        """Something that must be refused."""
        with pytest.raises(GuosuoError) as caught:
            action()
        self.errors.append(caught.value)

    def keep(self, *items: object) -> None:
        self.messages += items


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    patch = pytest.MonkeyPatch()
    patch.setattr(world_module, "seeded", lambda seed: Watched(random.Random(seed).randbytes))
    records: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(logging.Formatter().format(record))

    handler, root = Keeping(logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        made = _lived()
        made.logged = "\n".join(records)
        yield made
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        patch.undo()


def _lived() -> Life:
    world = World()
    assert isinstance(world.entropy, Watched)
    life = Life(world, [world.wallet() for _ in range(3)], Secrets())
    one, two, suspended = life.wallets
    _enrolments(life, one, two, suspended)
    world.turn()
    for wallet in life.wallets:
        world.refresh(wallet)
    _shows(life, one, two)
    # One draft of what an issuer computes in between, and an order.
    life.keep(world.regions[HOME].issuer._to_renew(next(iter(two.state.slots))[1], world.epoch))
    world.suspend(HOME, suspended)
    world.turn()
    for wallet in life.wallets:
        world.refresh(wallet)
    _errors(life, one, suspended)
    life.keep(world, world.federation, world.view, world.auditor, *life.wallets)
    life.keep([vars(region) for region in world.regions.values()])
    _collect(life)
    return life


def _enrolments(life: Life, one: Wallet, two: Wallet, suspended: Wallet) -> None:
    world = life.world
    issuer = world.regions[HOME].issuer
    for wallet, person, hours in (
        (one, b"first person's record", 5),
        (one, b"first person's record", 30),
        (two, b"second person's record", 11),
        (suspended, b"third person's record", 7),
    ):
        evidence = fact(event_time=world.now - hours * HOUR, name=b"document %d" % hours)
        offer = issuer.offer(world.now, world.entropy)
        request = wallet.request(HOME, offer, evidence, world.now, world.entropy)
        life.keep(request, wallet.state.pending, evidence)
        life.emitted.append(request.encode())
        answer = issuer.enrol(request, person, evidence, world.now, world.entropy)
        life.keep(answer, answer.grant)
        again = EnrolRequest.decode(request.encode())
        life.keep(issuer.enrol(again, person, evidence, world.now, world.entropy))
        assert isinstance(wallet.conclude(answer, world.view), HeldSlot)
    # Newer evidence in an own slot.
    ((_, slot), held), *_ = two.state.slots.items()
    life.keep(held)
    newer = fact(event_time=world.now - HOUR, name=b"newer")
    again_held = world.enrol(two, HOME, newer, person=b"second person's record", slot=slot)
    assert isinstance(again_held, HeldSlot)
    life.keep(held, again_held)


def _shows(life: Life, one: Wallet, two: Wallet) -> None:
    world = life.world
    bundle = world.bundle(GATE)
    life.keep(bundle)
    checkpoint = world.regions[GATE].checkpoint
    tick = world.federation.clock.tick_at(world.now)
    challenge = Challenge(
        region=GATE, checkpoint=f"gate-{GATE}", policy=POLICY, tick=tick, nonce=bytes(range(16))
    )
    for wallet in (one, two):
        life.keep(*wallet._holdings(bundle))
        for invitation in (checkpoint.poster(), challenge):
            frame = wallet.show(
                invitation, bundle, world.view, world.now, world.entropy, EVERY_CONSENT
            )
            shown = Presentation.decode(world.federation.scheme, frame.proof)
            life.keep(frame, shown, invitation)
            life.emitted += [frame.encode(), frame.text().encode()]
            life.keep(*checkpoint.examine([frame.text(), frame], world.now, world.entropy))
    (region, slot), *_ = one.state.slots
    for purpose in Purpose:
        life.emitted.append(one.prove_slot(region, slot, purpose, (b"subject",), world.entropy))


def _errors(life: Life, one: Wallet, suspended: Wallet) -> None:
    """Every error that is easy to make around secrets."""
    world = life.world
    federation, entropy, now = world.federation, world.entropy, world.now
    issuer = world.regions[HOME].issuer
    checkpoint = world.regions[GATE].checkpoint
    bundle, poster = world.bundle(GATE), world.regions[GATE].checkpoint.poster()
    stored = encode_wallet(federation, one.state)
    stored_issuer = encode_issuer(federation, issuer.state)

    def show(**change: object) -> object:
        arguments = {
            "invitation": poster,
            "bundle": bundle,
            "view": world.view,
            "now": now,
            "entropy": entropy,
            "consent": EVERY_CONSENT,
        } | change
        one._shown.clear()
        return one.show(**arguments)  # type: ignore[arg-type]  # one argument is wrong on purpose

    life.attempt(lambda: show(invitation=replace(poster, checkpoint="unknown")))
    life.keep(show())
    life.attempt(lambda: show(now=now - 1000))
    life.attempt(lambda: show(bundle=world.bundle("330000")))
    broken = {k: t + t for k, t in bundle.keys.t.items()}
    life.attempt(lambda: show(bundle=replace(bundle, keys=replace(bundle.keys, t=broken))))
    life.attempt(lambda: show(entropy=Entropy(bytes)))
    life.attempt(lambda: one.prove_slot(HOME, 999, Purpose.LEAVE, (), entropy))
    life.attempt(lambda: one.conclude(Answer(grant=None, refusal=None), world.view))
    life.attempt(lambda: issuer.turn_epoch(world.epoch, entropy))
    life.attempt(lambda: issuer.enrol(_any_request(world), b"x" * 20, _any_fact(world), 0, entropy))
    for share in (100, 2, 1):
        for data, decode in ((stored, decode_wallet), (stored_issuer, decode_issuer)):
            cut = data[: len(data) // share - 1]
            life.attempt(functools.partial(decode, federation, cut))
    # A scalar of r, and a key that is not the region's, in the place of a secret.
    link = one.state.link.encode()
    life.attempt(lambda: decode_wallet(federation, stored.replace(link, b"\xff" * 32)))
    root = bytes(world.roots[HOME])
    life.attempt(lambda: decode_issuer(federation, stored_issuer.replace(root, link)))
    life.attempt(lambda: decode_issuer(federation, stored))
    # A wallet's answer to a node that lies with the wallet's own secrets in reach.
    held = next(iter(one.state.slots.values()))
    life.attempt(lambda: encode_wallet(federation, replace(one.state, last_seen=-1)))
    life.attempt(lambda: unpack(next(iter(held.renewals.values())).evidence + 1))
    life.attempt(lambda: _late(life, suspended))
    other = fact(event_time=now - HOUR, name=b"of a stranger")
    refusal = world.enrol(suspended, HOME, other, person=b"first person's record")
    assert refusal is RefusalCode.OTHER_SECRET
    assert checkpoint.verify("GS1:garbage", now, entropy).verdict
    published = world.view.region(HOME).latest()
    assert published is not None
    life.attempt(lambda: audit_epoch(federation, published, {}, _nothing))


def _nothing(_: bytes) -> bytes:
    raise PeerError(Reason.RECORD_MISSING)


def _late(life: Life, wallet: Wallet) -> object:
    """The suspended holder once his last renewal has left the lists."""
    life.world.turn()
    life.world.turn()
    return life.world.show(wallet, GATE)


def _any_fact(world: World) -> EvidenceFact:
    return fact(event_time=world.now)


def _any_request(world: World) -> EnrolRequest:
    wallet = world.wallet()
    offer = world.regions[HOME].issuer.offer(world.now, world.entropy)
    evidence = fact(event_time=world.now - HOUR)
    return wallet.request(HOME, offer, evidence, world.now, world.entropy)


def _collect(life: Life) -> None:
    """All secrets of all roles, and what is derived from them."""
    world, secrets = life.world, life.secrets
    assert isinstance(world.entropy, Watched)
    for number, scalar in enumerate(world.entropy.drawn):
        secrets.add(scalar, f"drawn scalar {number}")
    for who, wallet in enumerate(life.wallets):
        secrets.add(wallet.state.link, f"link secret of {who}")
        for held in wallet.state.slots.values():
            secrets.add(held.blinding, f"blinding of {who}")
            secrets.add(held.slot_key, f"slot key of {who}")
            for name, renewal in held.renewals.items():
                u = blind_scalar(world.federation.scheme, name, held.slot_key, renewal.evidence)
                secrets.add(u, f"u_t of {who}")
                secrets.add(held.blinding + u, f"m_0 + u_t of {who}")
                secrets.add(renewal.evidence, f"evidence of {who}")
    for region, roles in world.regions.items():
        state = roles.issuer.state
        secrets.add(state.person_salt, f"salt of {region}")
        for signing in (world.roots[region], world.logs[region]):
            secrets.add(bytes(signing), f"signing key of {region}")
        for key in state.keys.values():
            secrets.add(key.secret, f"epoch secret of {region}")
        for slot in state.slots.values():
            secrets.add(slot.slot_key, f"slot key at {region}")
        for version in roles.gate.state.secrets.values():
            secrets.add(version.a, f"a of {region}")
            secrets.add(version.b, f"b of {region}")
            secrets.add(version.a * version.b, f"ab of {region}")


# --- what comes out -------------------------------------------------------------------


def test_the_life_was_long_enough(life: Life) -> None:
    """The searches below have something to search in and something to search for."""
    assert len(life.secrets.numbers) > 100
    assert len(life.errors) >= 20
    assert {e.reason for e in life.errors if isinstance(e, GuosuoError)} >= {
        Reason.CHECKPOINT_UNKNOWN,
        Reason.NOT_ACCEPTED_THERE,
        Reason.STATE,
        Reason.RANDOMNESS,
        Reason.SCALAR_RANGE,
    }
    kinds = {type(item).__name__ for item in _reachable(*life.messages)}
    assert kinds >= {
        "Answer",
        "AuditedEpoch",
        "CheckedKeys",
        "CheckedTable",
        "Checkpoint",
        "CheckpointState",
        "EnrolRequest",
        "EpochKey",
        "EvidenceFact",
        "Frame",
        "GateAuthority",
        "GateBundle",
        "GateState",
        "Grant",
        "HeldSlot",
        "Holding",
        "IssuedSlot",
        "Issuer",
        "IssuerState",
        "ListSecret",
        "LogWriter",
        "Pending",
        "Presentation",
        "Proof",
        "Renewal",
        "Scalar",
        "Signature",
        "SignedRenewal",
        "SlotToRenew",
        "Wallet",
        "WalletState",
    }


def _check(secrets: Secrets, texts: Iterable[tuple[str, str]]) -> None:
    leaks = {(where, name) for where, text in texts for name in secrets.in_text(text)}
    assert leaks == set()


def test_no_repr_shows_a_secret(life: Life) -> None:
    texts: dict[str, str] = {}
    for item in _reachable(*life.messages):
        for text in _said(item):
            texts.setdefault(text, type(item).__name__)
    _check(life.secrets, [(where, text) for text, where in texts.items()])


def test_no_exception_shows_a_secret(life: Life) -> None:
    _check(
        life.secrets,
        [(repr(error), text) for error in life.errors for text in _spoken(error)],
    )


def test_exceptions_are_a_reason_and_a_sentence_of_ours(life: Life) -> None:
    """No input is echoed: the text is one that stands in the source, digits included."""
    for error in life.errors:
        assert isinstance(error, GuosuoError)
        text = f"{error.reason.value}: {error.hint}" if error.hint else error.reason.value
        assert str(error) == text
        assert error.args == (text,)
        assert not re.search(r"\d{4,}", text.replace("50,000", ""))


def test_nothing_is_logged_by_the_library(life: Life) -> None:
    """The core logs nothing at all; so nothing of it can stand in a log."""
    assert "guosuo" not in life.logged
    _check(life.secrets, [("log", life.logged)])
    assert not [name for name in logging.root.manager.loggerDict if name.startswith("guosuo")]


def test_wallets_emit_none_of_their_secrets(life: Life) -> None:
    """Requests, frames, QR texts and proofs of ownership."""
    assert len(life.emitted) >= 4 + 8 + len(Purpose)
    found = {name for data in life.emitted for name in life.secrets.in_octets(data)}
    assert found == set()
    frames = [Frame.decode(d) for d in life.emitted if d[:1] == b"\x88"]
    assert len(frames) == 4
    assert {name for f in frames for name in life.secrets.in_text(repr(f))} == set()


def test_what_regions_publish_contains_no_secret(life: Life) -> None:
    """Every log entry and every blob, the tables too: values do not travel in them."""
    world = life.world
    entries = [e for region in world.regions.values() for e in region.entries]
    tables = {
        policy.part.table
        for region in world.view.regions.values()
        for policy in region.policies.values()
    }
    assert len(entries) > 40
    assert len(world.blobs) > 20
    assert tables <= world.blobs.keys()
    published = (*entries, *world.blobs.values())
    assert {name for data in published for name in life.secrets.in_octets(data)} == set()
    # Twin: in the wallets' own states they do stand.
    states = [encode_wallet(world.federation, wallet.state) for wallet in life.wallets]
    assert any(life.secrets.in_octets(state) for state in states)


def test_a_region_never_stores_link_secret_or_blinding(life: Life) -> None:
    """Not at home, not at the gate, not at the checkpoint: only in the wallet."""
    world = life.world
    own = Secrets()
    for who, wallet in enumerate(life.wallets):
        own.add(wallet.state.link, f"link secret of {who}")
        for held in wallet.state.slots.values():
            own.add(held.blinding, f"blinding of {who}")
            for name, renewal in held.renewals.items():
                u = blind_scalar(world.federation.scheme, name, held.slot_key, renewal.evidence)
                own.add(held.blinding + u, f"m_0 + u_t of {who}")
    for roles in world.regions.values():
        state = roles.checkpoint.state
        assert isinstance(state, CheckpointState)
        stored = (
            encode_issuer(world.federation, roles.issuer.state),
            encode_gate(world.federation, roles.gate.state),
            encode_checkpoint(world.federation, state),
        )
        assert {name for data in stored for name in own.in_octets(data)} == set()
    # Twin: in the wallets' own states they do stand.
    for who, wallet in enumerate(life.wallets):
        names = own.in_octets(encode_wallet(world.federation, wallet.state))
        assert names == {f"link secret of {who}", f"blinding of {who}"}


def test_a_checkpoint_stores_no_secret_of_anybody(life: Life) -> None:
    world = life.world
    for roles in world.regions.values():
        stored = encode_checkpoint(world.federation, roles.checkpoint.state)
        assert life.secrets.in_octets(stored) == set()


def test_signing_keys_are_said_by_nobody(life: Life) -> None:
    """Twin: printing a key itself does show it, which is why no role's repr contains one."""
    world = life.world
    key = world.roots[HOME]
    assert isinstance(key, nacl.signing.SigningKey)
    writer = world.regions[HOME].writer
    assert life.secrets.in_text(str(bytes(key))) == {f"signing key of {HOME}"}
    assert life.secrets.in_text(repr(writer) + repr(world.regions[HOME].issuer.state)) == set()
    record = sign(key, world.federation.id, Kind.ORDER, b"payload")
    assert life.secrets.in_octets(record) == set()
    assert repr(PutBlob(bytes(key))) == "PutBlob()"
