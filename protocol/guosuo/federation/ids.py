"""Identifiers and field types shared by the federation's messages."""

from __future__ import annotations

from typing import Annotated

from guosuo.wire.schema import Range, Size

Region = Annotated[str, Size(2, 12)]
"""Administrative division code (GB/T 2260 for provinces: six digits)."""

CheckpointId = Annotated[str, Size(1, 32)]
PolicyId = Annotated[str, Size(1, 32)]
Scope = Annotated[str, Size(1, 16)]

Epoch = Annotated[int, Range(0, (1 << 32) - 1)]
"""t = floor((now − t_0)/E)."""

Revision = Annotated[int, Range(0, 255)]
Instant = Annotated[int, Range(0, 1 << 40)]
"""Unix time in whole seconds."""

Slot = Annotated[int, Range(0, (1 << 40) - 1)]
Version = Annotated[int, Range(1, (1 << 32) - 1)]
Ed25519Key = Annotated[bytes, Size(32, 32)]
Ed25519Signature = Annotated[bytes, Size(64, 64)]
