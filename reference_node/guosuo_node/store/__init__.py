"""What a node must not forget, in SQLite or PostgreSQL.

Rows per enrolment, order and epoch; secrets sealed value by value under the node's key
file; one leader at a time, whose writes are conditional on its lease in the same
transaction.
"""

from guosuo_node.store.errors import Fenced, StoreFull, StoreUnavailable
from guosuo_node.store.marks import GateMarks, IssuerMarks
from guosuo_node.store.rows import (
    Lease,
    OrderState,
    Peer,
    QueuedOrder,
    StoredCheckpoint,
    StoredEntry,
    StoredEvidence,
    StoredJudgement,
    StoredReport,
    Witnessed,
)
from guosuo_node.store.store import Store
from guosuo_node.store.writer import Writer

__all__ = [
    "Fenced",
    "GateMarks",
    "IssuerMarks",
    "Lease",
    "OrderState",
    "Peer",
    "QueuedOrder",
    "Store",
    "StoreFull",
    "StoreUnavailable",
    "StoredCheckpoint",
    "StoredEntry",
    "StoredEvidence",
    "StoredJudgement",
    "StoredReport",
    "Witnessed",
    "Writer",
]
