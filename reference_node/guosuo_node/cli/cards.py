"""Cards: what a node tells the others before there is a federation.

A card has public keys, endpoints, and the authority of the node's certificates. It is
carried by people who know each other; whoever takes a wrong card trusts a wrong node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, GuosuoError, Reason
from guosuo.federation.charter import Member, Name, Organisation, Witness
from guosuo_node.host.tls import MAX_PEM

_MAX_CARD: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Card:
    """One member with its first organisation, or one stand-alone witness."""

    member: Member | None
    organisation: Organisation | None
    witness: Witness | None
    authority: str
    """PEM of the authority of its certificates."""

    @property
    def name(self) -> str:
        """Region code or witness name."""
        if self.member is not None:
            return self.member.region
        if self.witness is None:
            raise CallerError(Reason.ARGUMENT, "a card of nobody")
        return self.witness.name

    def text(self) -> str:
        """JSON for people to look at and to pass on."""
        return json.dumps(
            {
                "member": _plain(self.member),
                "organisation": _plain(self.organisation),
                "witness": _plain(self.witness),
                "authority": self.authority,
            },
            ensure_ascii=False,
            indent=2,
        )

    @classmethod
    def read(cls, path: Path) -> Card:
        """`CallerError` for a file that is no card."""
        fault = CallerError(Reason.ARGUMENT, f"{path.name} is not a node's card.json")
        if path.stat().st_size > _MAX_CARD:
            raise fault
        try:
            found: Any = load_json(path.read_bytes())
            card = cls(
                _member(found["member"]),
                _organisation(found["organisation"]),
                _witness(found["witness"]),
                found["authority"],
            )
            # Whatever is not within the charter's bounds fails here, not in the ceremony.
            for part in (card.member, card.organisation, card.witness):
                if part is not None:
                    part.encode()
        except (ValueError, KeyError, TypeError, AttributeError, GuosuoError):
            raise fault from None
        if type(card.authority) is not str or len(card.authority) > MAX_PEM:
            raise fault
        return card


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Messages as objects, octets as hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return {name: _plain(getattr(value, name)) for name in fields}
    return value


def _names(found: Any) -> tuple[Name, ...]:  # noqa: ANN401 - JSON
    return tuple(Name(language=item["language"], text=item["text"]) for item in found)


def _texts(found: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - JSON
    return None if found is None else tuple(found)


def _member(found: Any) -> Member | None:  # noqa: ANN401 - JSON
    if found is None:
        return None
    return Member(
        region=found["region"],
        names=_names(found["names"]),
        root_key=bytes.fromhex(found["root_key"]),
        log_key=bytes.fromhex(found["log_key"]),
        witness_key=bytes.fromhex(found["witness_key"]),
        endpoints=_texts(found["endpoints"]),
        public=_texts(found["public"]),
    )


def _organisation(found: Any) -> Organisation | None:  # noqa: ANN401 - JSON
    if found is None:
        return None
    return Organisation(
        organisation=found["organisation"],
        region=found["region"],
        names=_names(found["names"]),
        group=found["group"],
        key=bytes.fromhex(found["key"]),
    )


def _witness(found: Any) -> Witness | None:  # noqa: ANN401 - JSON
    if found is None:
        return None
    return Witness(
        name=found["name"],
        operator=found["operator"],
        key=bytes.fromhex(found["key"]),
        endpoint=found["endpoint"],
    )
