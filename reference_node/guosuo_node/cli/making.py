"""Making nodes and federations: `node init`, `federation found`, `sign`, `join`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nacl.signing import SigningKey

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import (
    Charter,
    CharterSignature,
    Environment,
    Federation,
    Member,
    Name,
    Parameters,
    SignedCharter,
    Witness,
    sign_charter,
    threshold,
)
from guosuo.federation.charters import open_charters
from guosuo.host import vault
from guosuo.host.files import PRIVATE, PUBLIC, write_atomically
from guosuo.host.vault import KeyFile
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import Issuer
from guosuo.roles.officer import Officer, health_administration, organisation_of
from guosuo.suite import SHA256_SUITE, Suite
from guosuo_node.app.keys import NodeKeys
from guosuo_node.cli.cards import Card
from guosuo_node.host import tls
from guosuo_node.host.settings import Home, Settings, address
from guosuo_node.store.marks import GateMarks, IssuerMarks
from guosuo_node.store.store import Store

OFFICER_KIND = "officer-key"
COUNTER_KIND = "counter-key"
ANCHORS = "anchors.json"
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{1,11}", re.ASCII)
_WITNESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{1,31}", re.ASCII)
"""As the charter has them; a region's code is the name of a folder as well."""
_FOUNDING = "founding"
_LEASE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new node is to be."""

    name: str
    names: tuple[Name, ...]
    listen: str
    public_listen: str
    http_listen: str | None = None
    metrics_listen: str | None = None
    hosts: Sequence[str] = ()
    """Names by which others reach it, beside localhost."""
    reached: str | None = None
    """`host:port` that others use for `listen`, where that is another."""
    reached_public: str | None = None
    operator: str | None = None
    """Set for a stand-alone witness."""
    adapter: str = "documents"
    adapter_settings: str = ""
    """TOML lines; for documents a counter's key and an empty file of signers if there are none."""
    database: str | None = None
    workers: int | None = None
    clock_offset: int = 0


def init(home: Home, wanted: Wanted, entropy: Entropy, now: dt.datetime) -> Card:
    """A new node's directory: keys, certificates, settings, and the card for the others."""
    if home.path.exists() and any(home.path.iterdir()):
        raise CallerError(Reason.STORE_EXISTS, "that directory holds something; name a new one")
    _check(wanted)
    home.private.mkdir(mode=0o700, parents=True)
    home.requests.mkdir(mode=0o700)
    for folder in (home.peers, home.policies, home.public):
        folder.mkdir(parents=True)
    key = KeyFile.create(home.key, entropy)
    keys = NodeKeys.draw(wanted.name, entropy, alone=wanted.operator is not None)
    keys.save(home.keys, key, entropy)
    tls.make_authority(home.tls, wanted.name, now)
    tls.make_certificate(home.tls, wanted.name, wanted.hosts, now)
    if wanted.operator is None and wanted.adapter == "documents" and not wanted.adapter_settings:
        wanted = replace(wanted, adapter_settings=_counter(home, key, entropy))
    # A database's URL may have a password in it, and an adapter's settings a token.
    write_atomically(home.settings, _settings(wanted).encode(), mode=PRIVATE)
    card = _card(home, wanted, keys, key, entropy)
    write_atomically(home.card, card.text().encode(), mode=PUBLIC)
    Settings.load(home)
    return card


def _check(wanted: Wanted) -> None:
    """`CallerError(ARGUMENT)` for what no charter or settings take, before anything is made."""
    if wanted.operator is None and _CODE.fullmatch(wanted.name) is None:
        hint = "a region's code has 2 to 12 letters, digits and hyphens"
        raise CallerError(Reason.ARGUMENT, hint)
    if wanted.operator is not None and _WITNESS.fullmatch(wanted.name) is None:
        hint = "a witness's name has 2 to 32 letters, digits, dots, hyphens and underscores"
        raise CallerError(Reason.ARGUMENT, hint)
    places = (wanted.listen, wanted.public_listen, wanted.http_listen, wanted.metrics_listen)
    for place in (*places, wanted.reached, wanted.reached_public):
        if place is not None:
            address(place)


def _card(home: Home, wanted: Wanted, keys: NodeKeys, key: KeyFile, entropy: Entropy) -> Card:
    authority = (home.tls / "authority.pem").read_text()
    witness_key = bytes(keys.witness.verify_key)
    endpoint = wanted.reached or wanted.listen
    if wanted.operator is not None:
        alone = Witness(
            name=wanted.name, operator=wanted.operator, key=witness_key, endpoint=endpoint
        )
        return Card(None, None, alone, authority)
    officer = SigningKey(entropy.octets(32))
    vault.save(home.officer, OFFICER_KIND, bytes(officer), key, entropy)
    member = Member(
        region=wanted.name,
        names=wanted.names,
        root_key=bytes(keys.root_key.verify_key),
        log_key=bytes(keys.log_key.verify_key),
        witness_key=witness_key,
        endpoints=(endpoint,),
        public=(wanted.reached_public or wanted.public_listen,),
    )
    first = health_administration(wanted.name, wanted.names, bytes(officer.verify_key))
    return Card(member, first, None, authority)


def _counter(home: Home, key: KeyFile, entropy: Entropy) -> str:
    """A counter whose statements identify people, and a file of signers to be filled."""
    counter = SigningKey(entropy.octets(32))
    vault.save(home.counter, COUNTER_KIND, bytes(counter), key, entropy)
    write_atomically(home.path / ANCHORS, b'{"anchors": []}\n', mode=PUBLIC)
    return f'anchors = "{ANCHORS}"\ncounter_keys = ["{bytes(counter.verify_key).hex()}"]'


def _settings(wanted: Wanted) -> str:
    lines = [f'name = "{wanted.name}"', f'listen = "{wanted.listen}"']
    lines.append(f'public_listen = "{wanted.public_listen}"')
    for name in ("http_listen", "metrics_listen", "database"):
        value = getattr(wanted, name)
        if value is not None:
            lines.append(f'{name} = "{value}"')
    if wanted.workers is not None:
        lines.append(f"workers = {wanted.workers}")
    if wanted.clock_offset:
        lines.append(f"clock_offset = {wanted.clock_offset}")
    lines.append(f'adapter = "{wanted.adapter}"')
    lines += ["", "[adapter_settings]", wanted.adapter_settings]
    return "\n".join(lines).rstrip() + "\n"


# --- the federation ---------------------------------------------------------------------


def found(cards: Sequence[Card], environment: Environment, parameters: Parameters) -> SignedCharter:
    """A charter of everybody whose card is given, signed by nobody yet."""
    members = sorted((c.member for c in cards if c.member), key=lambda m: m.region)
    alone = sorted((c.witness for c in cards if c.witness), key=lambda w: w.name)
    first = sorted((c.organisation for c in cards if c.organisation), key=lambda o: o.organisation)
    charter = Charter(
        suite=SHA256_SUITE,
        version=1,
        environment=environment,
        members=tuple(members),
        witnesses=tuple(alone) or None,
        organisations=tuple(first) or None,
        parameters=parameters,
    )
    # The message wants a signature; the first one that counts takes this one's place.
    blank = CharterSignature(region=members[0].region, signature=bytes(64))
    return SignedCharter(charter=charter.encode(), signatures=(blank,))


def sign(signed: SignedCharter, home: Home) -> SignedCharter:
    """The same with this node's signature beside the others'.

    A member of the version before signs a later one too, also one that removes it.
    """
    keys = NodeKeys.load(home.keys, KeyFile(home.key))
    charter = Charter.decode(signed.charter)
    names = {member.region for member in charter.members}
    if home.charter.is_file() and charter.version > 1:
        names |= open_charters(home.charter.read_bytes(), Suite.sha256()).members.keys()
    if keys.name not in names:
        raise CallerError(Reason.CHARTER, "this node is no member of that charter")
    (own,) = sign_charter(charter, {keys.name: keys.root_key}).signatures
    others = [s for s in signed.signatures if s.region != keys.name and any(s.signature)]
    merged = tuple(sorted([*others, own], key=lambda s: s.region))
    return replace(signed, signatures=merged)


def signers(signed: SignedCharter) -> tuple[int, int]:
    """How many signed so far, and how many have to."""
    charter = Charter.decode(signed.charter)
    return sum(any(s.signature) for s in signed.signatures), threshold(len(charter.members))


def join(home: Home, data: bytes, cards: Sequence[Card], entropy: Entropy, now: int) -> Federation:
    """Adopt a charter that enough members signed, and trust the authorities of its peers.

    A region's store begins here: nothing is signed before.
    """
    federation = open_charters(data, Suite.sha256())
    key = KeyFile(home.key)
    keys = NodeKeys.load(home.keys, key)
    keys.check(federation)
    settings = Settings.load(home)
    if home.charter.exists() and home.charter.read_bytes() != data:
        raise CallerError(Reason.STORE_EXISTS, "this node belongs to a federation already")
    by_name = {card.name: card for card in cards}
    for name, card in by_name.items():
        check_card(federation, name, card)
        if name != keys.name:
            write_atomically(home.peers / f"{name}.pem", card.authority.encode())
    if not home.charter.exists():
        _first_store(federation, keys, settings.database or home.database, key, entropy, now)
        write_atomically(home.charter, data)
    return federation


def check_card(federation: Federation, name: str, card: Card) -> None:
    """`CallerError` for a card of somebody else than the charter has under this name."""
    known = {m.region: m for m in federation.charter.members}.get(name)
    alone = {w.name: w for w in federation.charter.witnesses or ()}.get(name)
    if (card.member, card.witness) != (known, alone):
        raise CallerError(Reason.CHARTER, f"the card of {name} is not the charter's")


def _first_store(
    federation: Federation,
    keys: NodeKeys,
    url: str,
    key: KeyFile,
    entropy: Entropy,
    now: int,
) -> None:
    store = Store.create(url, key, entropy)
    try:
        if keys.root is None:
            return
        issuer = Issuer.found(federation, keys.name, keys.root_key, keys.log_key, entropy)
        lease = store.acquire(_FOUNDING, now, _LEASE)
        if lease is None:
            raise CallerError(Reason.STATE, "somebody leads in that database already")
        with store.transaction(lease) as writer:
            writer.save_issuer(IssuerMarks(), issuer.state, slots=None)
            writer.save_gate(GateMarks(), GateState(keys.name))
        store.release(lease)
    finally:
        store.close()


def officer_of(home: Home, federation: Federation) -> Officer:
    """The region's first organisation, where its key is still on this machine."""
    key = vault.load(home.officer, OFFICER_KIND, KeyFile(home.key))
    name = Settings.load(home).name
    return Officer(federation, organisation_of(name), SigningKey(key))
