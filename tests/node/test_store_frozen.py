"""Databases that earlier versions wrote are opened, brought up to date, and say the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from guosuo.host.vault import KeyFile
from guosuo_node.store import OrderState, Store
from guosuo_node.store.upgrade import head, version
from tests.node import frozen
from tests.support.world import seeded


@pytest.mark.parametrize("name", ["store-v1"])
def test_a_frozen_store_is_opened(name: str, tmp_path: Path) -> None:
    for suffix in ("db", "key"):
        shutil.copyfile(frozen.DATA / f"{name}.{suffix}", tmp_path / f"{name}.{suffix}")
    (tmp_path / f"{name}.key").chmod(0o600)
    key = KeyFile(tmp_path / f"{name}.key")
    store = Store.open(f"sqlite:///{tmp_path / name}.db", key, seeded(1))
    assert store._database.read(version) == head()
    federation = frozen.federation()
    loaded = store.load_issuer_state(federation, frozen.REGION, frozen.ROOT, frozen.LOG)
    assert loaded == frozen.issuer()
    assert store.load_gate_state(federation, frozen.REGION) == frozen.gate(seeded(5))
    assert store.secret("witness") == b"w" * 32
    assert store.meta("region") == b"440000"
    assert [order.body for order in store.orders(OrderState.QUEUED)] == [b"body"]
    assert [entry.data for entry in store.entries()] == [b"entry 0", b"entry 1", b"entry 2"]
    assert store.peer_entries("330000") == (b"first", b"second")
    lease = store.acquire("leader", 2000, 10)
    assert lease is not None
    assert lease.number == 2
    with store.transaction(lease) as writer:
        writer.append_entry(3, "order", b"entry 3", b"leaf" * 8)
    store.close()
