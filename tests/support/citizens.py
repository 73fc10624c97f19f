"""People and devices that use a federation of real nodes: wallets, copies, checkpoints.

All are the library's own roles; only the network is real.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from guosuo.client.mirror import Mirror
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.federation.charter import Federation
from guosuo.host.directory import FederationDirectory
from guosuo.presentation.frame import Frame, Poster
from guosuo.roles.bundle import BundleBook, GateBundle
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.enrolment import Answer, EnrolRequest
from guosuo.roles.holding import HeldSlot
from guosuo.roles.verdict import Outcome
from guosuo.roles.wallet import Wallet
from guosuo.suite import Suite
from guosuo_node.adapter.invented import InventedPerson
from guosuo_node.adapter.records import record_fact
from tests.support.federation import SYSTEM, Cluster, gate_of
from tests.support.world import EVERY_CONSENT, POLICY

_PAUSE: Final = 0.1


class Copy:
    """Verified public records on one device, fetched from nodes."""

    def __init__(
        self, cluster: Cluster, name: str = "copy", sources: Iterable[str] | None = None
    ) -> None:
        """`sources`: nodes to ask; those of all regions unless told otherwise."""
        self.cluster = cluster
        root = cluster.folder / name
        FederationDirectory.found(root, cluster.charter)
        self.directory = FederationDirectory(root, Suite.sha256())
        remotes = [cluster.remote(one) for one in sources or cluster.regions]
        self.mirror = Mirror(self.directory, [remote.federation for remote in remotes])
        self.book = BundleBook(self.mirror.view, self.directory.fetch)

    def refresh(self, slots: Iterable[tuple[str, int]] = ()) -> None:
        """Logs, bundles of all regions, and these slots' buckets."""
        run, now = self.cluster.session.run, int(time.time())
        run(self.mirror.follow(now))
        run(self.mirror.fetch_for_wallet(slots, now))

    def bundle(self, gate: str, *, epoch: int, now: int) -> GateBundle:
        """The audited bundle of a gate for the list of an epoch; `PeerError`."""
        return self.book.get(gate, POLICY, epoch=epoch, now=now, entropy=self.cluster.entropy)


@dataclass(slots=True, eq=False)
class Citizen:
    """Somebody with a wallet, at home in one region."""

    cluster: Cluster
    copy: Copy
    home: str
    person: InventedPerson = field(init=False)
    wallet: Wallet = field(init=False)
    answer: bytes = field(default=b"", repr=False)
    request: EnrolRequest | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.person = self.cluster.person()
        self.wallet = Wallet.create(self.cluster.federation, self.cluster.entropy)

    @property
    def fact(self) -> EvidenceFact:
        """What the first record proves, as the wallet computes it from its copy."""
        return record_fact(SYSTEM, self.person.records[0], self.person.record.holder())

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Region and number of what the wallet holds."""
        return list(self.wallet.state.slots)

    def apply(self) -> bytes:
        """Offer, request, answer, by RPC; the answer is kept, not concluded."""
        run, node = self.cluster.session.run, self.cluster.remote(self.home)
        offer = run(node.enrolment.offer())
        self.request = self.wallet.request(
            self.home, offer, self.fact, int(time.time()), self.cluster.entropy
        )
        return self.ask()

    def ask(self) -> bytes:
        """Send the request (again)."""
        assert self.request is not None
        node = self.cluster.remote(self.home)
        self.answer = self.cluster.session.run(
            node.enrolment.enrol(
                self.request.encode(),
                self.person.records[0].number.encode(),
                self.person.identification,
            )
        )
        return self.answer

    def conclude(self, seconds: float = 30.0) -> HeldSlot:
        """Check the answer, once the keys that signed it are in the public log."""
        end = time.monotonic() + seconds
        while True:
            try:
                held = self.wallet.conclude(Answer.decode(self.answer), self.copy.mirror.view)
            except PeerError as error:
                if error.reason is not Reason.NOT_PUBLISHED or time.monotonic() > end:
                    raise
                self.copy.refresh()
                time.sleep(_PAUSE)
            else:
                assert isinstance(held, HeldSlot), held
                return held

    def enrol(self) -> HeldSlot:
        """The whole enrolment."""
        self.apply()
        return self.conclude()

    def refresh(self) -> None:
        """Fetch what is new and take every renewal that can be shown."""
        self.copy.refresh(self.slots)
        now = int(time.time())
        current = self.cluster.federation.clock.epoch_at(now)
        for region, slot in self.slots:
            view = self.copy.mirror.view.region(region)
            for key, published in list(view.epochs.items()):
                if key.epoch >= current - 2:
                    try:
                        self.wallet.refresh(region, slot, published, self.copy.directory.fetch)
                    except PeerError as error:
                        if error.reason is not Reason.RECORD_MISSING:
                            raise

    def show(self, gate: str, now: int) -> Frame:
        """What an honest wallet shows; `CallerError` if it does not."""
        clock = self.cluster.federation.clock
        bundle = self.copy.bundle(gate, epoch=clock.shown_epoch(now), now=now)
        view, entropy = self.copy.mirror.view, self.cluster.entropy
        poster = poster_of(gate, self.cluster.federation)
        return self.wallet.show(poster, bundle, view, now, entropy, EVERY_CONSENT)


def poster_of(gate: str, federation: Federation) -> Poster:
    """The sign at a region's gate."""
    return Checkpoint(federation, CheckpointState(gate, gate_of(gate), POLICY)).poster()


@dataclass(slots=True)
class Gate:
    """A checkpoint without a network of its own, fed from a copy of the records."""

    cluster: Cluster
    region: str
    checkpoint: Checkpoint = field(init=False)
    loaded: int = 0

    def __post_init__(self) -> None:
        state = CheckpointState(self.region, gate_of(self.region), POLICY)
        self.checkpoint = Checkpoint(self.cluster.federation, state)

    def feed(self, copy: Copy) -> None:
        """Take in what the region's log has that is new."""
        entries = copy.mirror.view.regions[self.region].entries
        for entry in entries[self.loaded :]:
            self.checkpoint.load(entry)
        self.loaded = len(entries)

    def verify(self, frame: Frame, now: int) -> Outcome:
        """Decide one scan."""
        return self.checkpoint.verify(frame.text(), now, self.cluster.entropy)


def crossing(citizen: Citizen, gate: Gate, seconds: float = 40.0) -> Outcome:
    """Show at a gate as soon as the wallet can: refresh, show, verify."""
    end = time.monotonic() + seconds
    while True:
        citizen.refresh()
        gate.feed(citizen.copy)
        now = int(time.time())
        try:
            return gate.verify(citizen.show(gate.region, now), now)
        except (CallerError, PeerError) as error:
            # Enrolled just now, or the list is about to come.
            waits = {Reason.STANDS_OUT, Reason.NOT_PUBLISHED, Reason.RECORD_MISSING}
            waits |= {Reason.TOO_MANY_SHOWS, Reason.NO_CREDENTIAL, Reason.LIST_EXPIRED}
            waits |= {Reason.NOT_ACCEPTED_THERE, Reason.LIST_TOO_FEW_REGIONS}
            if error.reason not in waits or time.monotonic() > end:
                raise
        time.sleep(0.3)
