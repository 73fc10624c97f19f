"""Later versions of the charter: `federation amend` and `adopt`, and keys renewed by them.

A version is made and signed by people, as the first one was. A node adopts only what its
operator put in place; what others adopted it learns from their logs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from nacl.signing import SigningKey

from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import Charter, CharterSignature, Federation, SignedCharter
from guosuo.federation.charters import (
    encode_charters,
    signed_charters,
    succeed,
)
from guosuo.host.files import PUBLIC, write_atomically
from guosuo.host.vault import KeyFile
from guosuo.roles.bundle import default_min_regions
from guosuo_node.app.keys import NodeKeys, fitting, load_keys
from guosuo_node.cli.cards import Card
from guosuo_node.cli.making import check_card
from guosuo_node.cli.reaching import federation_of
from guosuo_node.host.settings import Home

AMEND_EXAMPLE: Final = (
    "Example: guosuo federation amend gd/charter.cbor next.cbor --add hn/card.json"
)
ADOPT_EXAMPLE: Final = "Example: guosuo federation adopt gd next.cbor hn/card.json"
_AHEAD: Final = 2
"""Epochs that people have for signatures before a version may be adopted, unless told."""
_LONG: Final = 12
"""Epochs from then on in which it has to be adopted, unless told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the next version is to have."""

    add: Sequence[Card] = ()
    replace: Sequence[Card] = ()
    remove: Collection[str] = ()
    adopt_from: int
    adopt_by: int
    expires: int | None = None
    min_crowd: int | None = None


def amend(before: Federation, changes: Changes) -> SignedCharter:
    """The next version, signed by nobody yet; `CallerError` for cards of the wrong people."""
    old = before.charter
    members, alone = dict(before.members), {w.name: w for w in old.witnesses or ()}
    names = members.keys() | alone.keys()
    if any(card.name in names for card in changes.add):
        raise CallerError(Reason.ARGUMENT, "--add is for those who are new; use --replace")
    unknown = {card.name for card in changes.replace} | set(changes.remove)
    if not unknown <= names:
        raise CallerError(Reason.ARGUMENT, "the charter has nobody of that name")
    organisations = {o.organisation: o for o in old.organisations or ()}
    for card in (*changes.add, *changes.replace):
        if card.member is not None:
            members[card.name] = card.member
        if card.witness is not None:
            alone[card.name] = card.witness
        if card.organisation is not None:
            organisations[card.organisation.organisation] = card.organisation
    kept = [members[name] for name in sorted(members) if name not in changes.remove]
    regions = {member.region for member in kept}
    numbers = replace(old.parameters, min_regions=default_min_regions(len(kept)))
    if changes.min_crowd is not None:
        numbers = replace(numbers, min_crowd=changes.min_crowd)
    charter = replace(
        old,
        version=old.version + 1,
        previous=old.digest,
        members=tuple(kept),
        witnesses=tuple(alone[n] for n in sorted(alone) if n not in changes.remove) or None,
        organisations=tuple(
            organisations[name]
            for name in sorted(organisations)
            if organisations[name].region in regions
        )
        or None,
        parameters=numbers,
        adopt_from=changes.adopt_from,
        adopt_by=changes.adopt_by,
        expires=changes.expires,
    )
    # The message wants a signature; the first one that counts takes this one's place.
    blank = CharterSignature(region=kept[0].region, signature=bytes(64))
    return SignedCharter(charter=charter.encode(), signatures=(blank,))


def adopt(home: Home, data: bytes, cards: Sequence[Card]) -> Federation:
    """Put the next version in place for a node, and trust the authorities of these cards.

    `PeerError(CHARTER)` for one that is not the next, or not signed by enough.
    """
    before = federation_of(home.path)
    made = succeed(before, signed_charters(data)[-1])
    keys = fitting(load_keys((home.keys, *home.renewed_keys()), KeyFile(home.key)), made)
    for card in cards:
        check_card(made, card.name, card)
        if card.name != keys.name:
            write_atomically(home.peers / f"{card.name}.pem", card.authority.encode())
    write_atomically(home.charter, encode_charters(made))
    return made


def renew(home: Home, what: str, entropy: Entropy) -> Card:
    """A new log or witness key beside the old one, and the node's card with it.

    The old key counts until the node adopted a charter with the new one. `CallerError(STATE)`
    if the last renewal is not in the charter yet.
    """
    key = KeyFile(home.key)
    renewed = home.renewed_keys()
    newest = load_keys((home.keys, *renewed), key)[-1]
    if not newest.fits(federation_of(home.path)):
        hint = "the key that was renewed last is in no charter yet: adopt that one first"
        raise CallerError(Reason.STATE, hint)
    fresh, card = SigningKey(entropy.octets(32)), Card.read(home.card)
    public = bytes(fresh.verify_key)
    if what == "log":
        if card.member is None:
            raise CallerError(Reason.ARGUMENT, "a stand-alone witness has no log")
        keys = replace(newest, log=fresh)
        card = replace(card, member=replace(card.member, log_key=public))
    else:
        keys = replace(newest, witness=fresh)
        if card.member is not None:
            card = replace(card, member=replace(card.member, witness_key=public))
        elif card.witness is not None:
            card = replace(card, witness=replace(card.witness, key=public))
    NodeKeys.save(keys, home.private / f"keys-{len(renewed) + 1:02d}.vault", key, entropy)
    write_atomically(home.card, card.text().encode(), mode=PUBLIC)
    return card


# --- commands ---------------------------------------------------------------------------

CardOption = Annotated[
    list[Path] | None, typer.Option(metavar="CARD", help="A card.json.", show_default=False)
]


def amend_command(
    charter: Annotated[
        Path, typer.Argument(metavar="CHARTER", help="The charter's file, or a node's directory.")
    ],
    out: Annotated[Path, typer.Argument(metavar="NEW", help="Where the next version goes.")],
    *,
    add: CardOption = None,
    replaced: Annotated[
        list[Path] | None,
        typer.Option(
            "--replace", metavar="CARD", help="New keys or endpoints.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A region or a witness.", show_default=False),
    ] = None,
    adopt_from: Annotated[
        int | None,
        typer.Option(metavar="EPOCH", help="From when on.", show_default="in two epochs"),
    ] = None,
    adopt_by: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCH", help="First epoch refused without it.", show_default="12 later"
        ),
    ] = None,
    expires: Annotated[
        int | None,
        typer.Option(metavar="UNIX", help="From when on to warn.", show_default="never"),
    ] = None,
    min_crowd: Annotated[
        int | None,
        typer.Option(min=0, help="Active slots beside the largest.", show_default="as before"),
    ] = None,
) -> None:
    """Write the next version of a charter, to be signed by its old and its new members."""
    if out.exists():
        raise CallerError(Reason.STORE_EXISTS, "there is a file of that name")
    before = federation_of(charter)
    start = adopt_from
    if start is None:
        soon = before.clock.epoch_at(int(time.time())) + _AHEAD
        start = max(soon, before.charter.adopt_by or 0)
    changes = Changes(
        add=[Card.read(path) for path in add or ()],
        replace=[Card.read(path) for path in replaced or ()],
        remove=frozenset(remove or ()),
        adopt_from=start,
        adopt_by=start + _LONG if adopt_by is None else adopt_by,
        expires=expires,
        min_crowd=min_crowd,
    )
    signed = amend(before, changes)
    write_atomically(out, signed.encode())
    made = Charter.decode(signed.charter)
    typer.echo(f"Wrote {out}: version {made.version}, {len(made.members)} regions.")
    typer.echo(f"To be adopted from epoch {made.adopt_from} on, before {made.adopt_by}.")
    typer.echo(f"Now the members before and after: guosuo federation sign {out} HOME")


def adopt_command(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="The node's directory.")],
    charter: Annotated[Path, typer.Argument(metavar="NEW", help="The next version, signed.")],
    cards: Annotated[
        list[Path] | None, typer.Argument(metavar="CARD...", help="Of those who are new.")
    ] = None,
) -> None:
    """Put the next version of the charter in place; the node logs it when its time has come."""
    made = adopt(Home(home), charter.read_bytes(), [Card.read(path) for path in cards or ()])
    typer.echo(f"{home} adopts version {made.version} from epoch {made.charter.adopt_from} on.")
    typer.echo("A running node takes it by itself within seconds.")


def renew_key(home: Home, what: str) -> str:
    """Carry out `node rotate HOME log|witness`; what to do next."""
    renew(home, what, Entropy(os.urandom))
    return (
        f"A new {what} key is drawn, and stands in {home.card}; the old one counts until a new "
        f"version of the charter is adopted: guosuo federation amend --replace {home.card}"
    )
