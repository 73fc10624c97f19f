"""Whose fault, and which stable reason.

Two families: `CallerError` means the program that embeds the library asked for
something that cannot be (its own state, its own arguments); `PeerError` means
that bytes from outside were refused. Both carry a `Reason` of one closed list
and nothing else: no input is echoed, no personal data and no secret can reach
a message or a log line through an exception (GS-WIRE-5).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn


class Reason(StrEnum):
    """Every reason for which this library refuses something (stable names)."""

    # wire: bytes that are not a message
    CBOR_MALFORMED = "cbor-malformed"
    CBOR_NOT_DETERMINISTIC = "cbor-not-deterministic"
    CBOR_TOO_DEEP = "cbor-too-deep"
    CBOR_TYPE_NOT_ALLOWED = "cbor-type-not-allowed"
    TOO_LONG = "too-long"
    TRAILING_BYTES = "trailing-bytes"
    MESSAGE_SHAPE = "message-shape"
    MESSAGE_UNKNOWN_KEY = "message-unknown-key"
    MESSAGE_MISSING_KEY = "message-missing-key"
    MESSAGE_VALUE = "message-value"
    MESSAGE_VERSION = "message-version"
    BASE45 = "base45"
    QR_TEXT = "qr-text"
    QR_PICTURE = "qr-picture"
    # curve
    POINT_ENCODING = "point-encoding"
    POINT_NOT_ON_CURVE = "point-not-on-curve"
    POINT_NOT_IN_SUBGROUP = "point-not-in-subgroup"
    POINT_IDENTITY = "point-identity"
    SCALAR_RANGE = "scalar-range"
    # proofs and signatures
    SIGNATURE = "signature"
    PROOF = "proof"
    PAIRING = "pairing"
    # evidence documents
    DCC_PREFIX = "dcc-prefix"
    DCC_COMPRESSION = "dcc-compression"
    DCC_COSE = "dcc-cose"
    DCC_SIGNER = "dcc-signer"
    DCC_SIGNATURE = "dcc-signature"
    DCC_VALIDITY = "dcc-validity"
    DCC_PAYLOAD = "dcc-payload"
    EVIDENCE = "evidence"
    PERSON_MISMATCH = "person-mismatch"
    # acceptance rules
    RULE_SYNTAX = "rule-syntax"
    RULE_BOUNDS = "rule-bounds"
    RULE_OPEN = "rule-open"
    # published records
    RECORD_SIGNATURE = "record-signature"
    RECORD_KIND = "record-kind"
    RECORD_ORDER = "record-order"
    RECORD_MISSING = "record-missing"
    CHARTER = "charter"
    REGION_UNKNOWN = "region-unknown"
    EPOCH_ENTRY = "epoch-entry"
    EPOCH_KEY_REUSED = "epoch-key-reused"
    ALLOTMENT = "allotment"
    STATUS_LIST = "status-list"
    BOARD = "board"
    RENEWAL_PROOF = "renewal-proof"
    # witnessed logs
    LOG_PROOF = "log-proof"
    LOG_TILE = "log-tile"
    NOTE = "note"
    NOTE_SIGNATURE = "note-signature"
    COSIGNATURES = "cosignatures"
    # gate bundle
    LIST_PART = "list-part"
    LIST_KEYS = "list-keys"
    LIST_EXPIRED = "list-expired"
    LIST_INCOMPLETE = "list-incomplete"
    LIST_TOO_FEW_REGIONS = "list-too-few-regions"
    LIST_REVISIONS = "list-revisions"
    NOT_PUBLISHED = "not-published"
    POLICY = "policy"
    POLICY_EXPIRED = "policy-expired"
    TABLE = "table"
    TABLE_ENTRY = "table-entry"
    # wallet
    CREDENTIAL = "credential"
    NO_CREDENTIAL = "no-credential"
    NOT_ACCEPTED_THERE = "not-accepted-there"
    CHECKPOINT_UNKNOWN = "checkpoint-unknown"
    CHECKPOINT_NEW = "checkpoint-new"
    TICK = "tick"
    TOO_MANY_SHOWS = "too-many-shows"
    CLOCK_JUMP = "clock-jump"
    STANDS_OUT = "stands-out"
    # enrolment
    ENROLMENT_NONCE = "enrolment-nonce"
    ENROLMENT_NO_SLOT = "enrolment-no-slot"
    RECEIPT = "receipt"
    REFUSED_BY_REGION = "refused-by-region"
    # orders
    ORDER = "order"
    # stored state
    STORE_TRUNCATED = "store-truncated"
    STORE_ALTERED = "store-altered"
    STORE_EXISTS = "store-exists"
    STORE_MISSING = "store-missing"
    STORE_MODE = "store-mode"
    STORE_UNAVAILABLE = "store-unavailable"
    STORE_FULL = "store-full"
    FENCED = "fenced"
    # nodes
    NODE_UNREACHABLE = "node-unreachable"
    NODE_REFUSED = "node-refused"
    # use of the library
    ARGUMENT = "argument"
    RANDOMNESS = "randomness"
    ENGINE = "engine"
    STATE = "state"


class GuosuoError(Exception):
    """Base of both families. `reason` is stable; the text is for people."""

    def __init__(self, reason: Reason, hint: str = "") -> None:
        """`hint` is a fixed sentence of ours, never anything that was read."""
        super().__init__(f"{reason.value}: {hint}" if hint else reason.value)
        self.reason = reason
        self.hint = hint


class CallerError(GuosuoError):
    """The embedding program's fault: wrong argument, wrong state."""


class PeerError(GuosuoError):
    """The other side's fault: bytes from outside that are refused."""


def refuse(reason: Reason, hint: str = "") -> NoReturn:
    """Raise `PeerError`; reads well in one-line checks."""
    raise PeerError(reason, hint)
