"""Makes the frozen stores of `tests/node/data`: `python -m tests.node.frozen NAME`.

Needs no federation's charter: what the store holds depends on the scheme and on two
signing keys only, so a change of the charter leaves the fixtures as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from nacl.signing import SigningKey

from guosuo.credential.keys import EpochKey
from guosuo.curve.entropy import Entropy
from guosuo.curve.scalar import Scalar
from guosuo.evidence.registry import RECOVERY, EvidenceKind
from guosuo.federation.charter import Federation
from guosuo.federation.records import digest
from guosuo.federation.trust_list import ListSecret, make_part
from guosuo.host.vault import KeyFile
from guosuo.roles.gate import GateState
from guosuo.roles.issuer import IssuedSlot, IssuerState
from guosuo.scheme import KeyId, Scheme
from guosuo.suite import Suite
from guosuo_node.store import GateMarks, IssuerMarks, Peer, Store, StoredJudgement, Writer
from tests.support.world import DAY, fact, seeded

DATA = Path(__file__).parent / "data"
REGION = "440000"
ROOT, LOG = SigningKey(b"r" * 32), SigningKey(b"l" * 32)
SCHEME = Scheme.of(Suite.sha256(), b"f" * 32)
EVIDENCE = (
    fact(event_time=1_600_000_000),
    fact(EvidenceKind.VACCINATION, event_time=0, product=1, doses=2, series=2, born=-10 * DAY),
    fact(EvidenceKind.RECOVERY, event_time=100 * DAY, product=RECOVERY),
)


def federation() -> Federation:
    """As much of a federation as a store looks at."""
    member = SimpleNamespace(root_key=bytes(ROOT.verify_key), log_key=bytes(LOG.verify_key))
    found = SimpleNamespace(
        scheme=SCHEME, member=lambda _region: member, memberships=lambda _region: (member,)
    )
    return cast("Federation", found)


def issuer() -> IssuerState:
    """Six slots of three persons, in every state, and all else that an issuer remembers."""
    keys = [KeyId(REGION, 99, 0), KeyId(REGION, 100, 0), KeyId(REGION, 100, 1)]
    return IssuerState(
        region=REGION,
        root_key=ROOT,
        log_key=LOG,
        person_salt=b"s" * 32,
        keys={
            name: EpochKey(name, Scalar(number + 7), SCHEME.p2 * Scalar(number + 7))
            for number, name in enumerate(keys)
        },
        slots={
            slot: IssuedSlot(
                slot,
                SCHEME.base * Scalar(slot + 2),
                digest(b"slot key %d" % slot),
                EVIDENCE[slot % 3],
                digest(b"person %d" % (slot % 3)),
            )
            for slot in (0, 3, 4, 7, 8, (1 << 40) - 1)
        },
        records={digest(b"person %d" % n): bytes([n]) * 48 for n in range(3)},
        offers={b"n" * 16: 1_700_000_000, b"o" * 16: 1 << 40},
        unpublished={7, 8},
        suspended={3, 4},
        retired={4, 8},
        last_entry=digest(b"entry"),
        block=16,
    )


def gate(entropy: Entropy) -> GateState:
    """Two list versions, one of them published, and a policy."""
    state = GateState(REGION, policies={"entry": 3})
    for version in ((100, 0), (101, 0)):
        secret = ListSecret(Scalar(version[0]), Scalar(version[0] + 1))
        state.secrets[version] = secret
        state.parts[version] = make_part(
            SCHEME,
            secret,
            region=REGION,
            scope="all",
            epoch=version[0],
            revision=version[1],
            not_before=1000,
            not_after=2000,
            entropy=entropy,
        )
    state.listed.add((100, 0))
    return state


def fill(writer: Writer) -> None:
    """At least one row of each table that a leader writes."""
    writer.save_issuer(IssuerMarks(), issuer(), slots=None)
    writer.save_gate(GateMarks(), gate(seeded(5)))
    writer.put_meta("region", REGION.encode())
    writer.put_secret("witness", b"w" * 32)
    writer.put_grant(digest(b"request"), 1_700_000_000, b"answer")
    writer.put_order(digest(b"order"), 0, b"body")
    for index in range(3):
        writer.append_entry(index, "order", b"entry %d" % index, digest(b"leaf %d" % index))
    writer.put_checkpoint(2, digest(b"root"), b"note")
    writer.cosigned(2, b"cosignatures", published=True)
    writer.put_judgement(
        StoredJudgement("330000", 100, 0, "admit", "", digest(b"entry"), digest(b"state"), 1000)
    )


def fill_all(store: Store) -> None:
    """At least one row of every table."""
    lease = store.acquire("leader", 1000, 10)
    assert lease is not None
    with store.transaction(lease) as writer:
        fill(writer)
    store.put_peer(Peer("330000", 2, 1000, 1, 1060))
    store.add_peer_entries("330000", 0, [b"first", b"second"])
    store.put_peer_note("330000", 2, b"note")
    assert store.witness_update("guosuo/log", 0, 2, digest(b"root"), b"note")
    store.add_evidence("equivocation", b"two notes", 1000)
    store.add_report("330000", 100, b"report", 1000)


def main(name: str) -> None:
    """A new key file and a new store of this version."""
    key = KeyFile.create(DATA / f"{name}.key", seeded(9))
    store = Store.create(f"sqlite:///{DATA / name}.db", key, seeded(10))
    fill_all(store)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1])
