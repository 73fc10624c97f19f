"""Identifiers and field types shared by the federation's messages."""

from __future__ import annotations

from typing import Annotated

from guosuo.wire.schema import Match, Range, Size

NAME = Match("[0-9A-Za-z][0-9A-Za-z._-]*")
"""Identifiers are plain words: they become parts of file names and of what people read."""

Region = Annotated[str, Size(2, 12), NAME]
"""Administrative division code (GB/T 2260 for provinces: six digits)."""

CheckpointId = Annotated[str, Size(1, 32), NAME]
PolicyId = Annotated[str, Size(1, 32), NAME]
OrganisationId = Annotated[str, Size(2, 32), NAME]
Scope = Annotated[str, Size(1, 16), NAME]

Epoch = Annotated[int, Range(0, (1 << 32) - 1)]
"""t = floor((now − t_0)/E)."""

Revision = Annotated[int, Range(0, 255)]
Instant = Annotated[int, Range(0, 1 << 40)]
"""Unix time in whole seconds."""

Slot = Annotated[int, Range(0, (1 << 40) - 1)]
Version = Annotated[int, Range(1, (1 << 32) - 1)]
Ed25519Key = Annotated[bytes, Size(32, 32)]
Ed25519Signature = Annotated[bytes, Size(64, 64)]
