"""Real processes: a member with a new log key, a new member, and nobody is stopped by it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from guosuo.client.blocking import Session
from guosuo.client.channel import Patience, Tls
from guosuo.federation.charters import open_charters
from guosuo.suite import Suite
from guosuo_node.cli import amending, making
from guosuo_node.cli.amending import Changes
from guosuo_node.cli.cards import Card
from tests.support.federation import Cluster
from tests.support.world import REGIONS

pytestmark = pytest.mark.xdist_group("federation")

A, B, NEW = REGIONS[:3]
EPOCH = 30


def test_a_federation_grows_while_it_runs(tmp_path: Path) -> None:
    with Cluster(tmp_path, regions=2, witnesses=2, epoch_seconds=EPOCH) as cluster:
        cluster.wait_for("list-published")
        homes = {name: node.home for name, node in cluster.nodes.items()}
        # 1. A new log key, a new node, and the version of the charter that has both.
        cluster.regions = (*cluster.regions, NEW)
        node = cluster._node(NEW, tmp_path / NEW)
        card = cluster._init(node, NEW, None)
        renewed = amending.renew(homes[A], "log", cluster.entropy)
        start = cluster.epoch + 2
        changes = Changes(add=[card], replace=[renewed], adopt_from=start, adopt_by=start + 3)
        signed = amending.amend(cluster.federation, changes)
        for home in (homes[A], homes[B], node.home):
            signed = making.sign(signed, home)
        # 2. Every operator puts it in place; nodes that run take it.
        versions = [amending.adopt(home, signed.encode(), [card]) for home in homes.values()]
        cards = [Card.read(home.card) for home in (*homes.values(), node.home)]
        chain = homes[A].charter.read_bytes()
        making.join(node.home, chain, cards, cluster.entropy, int(time.time()))
        cluster._publish(node.home, NEW)
        pem = b"".join(one.authority for one in cluster.nodes.values())
        cluster.session = Session(Tls(pem), deadline=10.0, patience=Patience(tries=2))
        cluster._stack.callback(cluster.session.close)
        cluster.wait_for("charter-changed", homes)
        cluster.start([NEW])
        cluster.wait_for("charter-adopted", (A, B), version=2, seconds=4 * EPOCH)
        # 3. All judge all, by the new keys, behind the adoption.
        later = start + 1
        for gate in cluster.regions:
            for region in cluster.regions:
                cluster.wait_judged(gate, region, later, seconds=4 * EPOCH)
        cluster.federation = versions[0]
        cluster.wait_complete(later + 1, seconds=4 * EPOCH)
        # 4. Whoever comes anew gets all versions from any of them.
        client = cluster.remote(B).federation
        data = cluster.session.run(client.charter())
        assert open_charters(data, Suite.sha256()).version == 2
        for name in cluster.regions:
            said = cluster.nodes[name].said(ever=True)
            assert not [line for line in said if line["event"] == "forked"]
        cluster.stop()
