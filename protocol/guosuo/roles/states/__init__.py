"""Role states as octets: what a wallet, an issuer, a gate … remembers, for storage.

Every state is a `Stored` message that names its kind, its version and its federation,
and holds one message of that kind. `encode_…` and `decode_…` are pure and inverse to
each other: one state has one encoding, and a decoder refuses, with `PeerError`,
whatever it would not write itself (GS-STATE-1). Reasons beyond those of CBOR and of
points: `MESSAGE_VERSION`, `RECORD_KIND` (a state of another role), `STATE` (of another
federation, keys that are not the region's, or a second encoding).

The octets hold every secret of the role. They belong into a sealed file
(`guosuo.host.vault`), which also keeps them from being altered: what was checked
against signatures when a role took it in is not checked against them again.
"""

from guosuo.roles.states.checkpoint import decode_checkpoint, encode_checkpoint
from guosuo.roles.states.frame import MAX_STATE, VERSION, StateKind, Stored
from guosuo.roles.states.gate import decode_gate, decode_log, encode_gate, encode_log
from guosuo.roles.states.issuer import decode_issuer, encode_issuer
from guosuo.roles.states.wallet import decode_wallet, encode_wallet

__all__ = [
    "MAX_STATE",
    "VERSION",
    "StateKind",
    "Stored",
    "decode_checkpoint",
    "decode_gate",
    "decode_issuer",
    "decode_log",
    "decode_wallet",
    "encode_checkpoint",
    "encode_gate",
    "encode_issuer",
    "encode_log",
    "encode_wallet",
]
