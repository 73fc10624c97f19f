"""`guosuo region init`: found a federation whose regions all live on this machine.

For development: whoever holds one key here holds them all. In a real federation every
region makes its own keys at home and the charter is signed by each of them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from nacl.signing import SigningKey

from guosuo.cli import places
from guosuo.cli.common import (
    Desk,
    EngineOption,
    JsonOption,
    KeyFileOption,
    open_secret,
    read_file,
    read_time,
)
from guosuo.cli.envelope_file import read_envelope
from guosuo.errors import CallerError, Reason
from guosuo.federation.charter import (
    HOLD_EPOCHS,
    LATE_EPOCHS,
    Charter,
    Environment,
    Member,
    Name,
    Parameters,
    sign_charter,
)
from guosuo.federation.records import LogWriter
from guosuo.host.directory import FederationDirectory
from guosuo.host.region import RegionHost, RegionVault
from guosuo.host.vault import Secret
from guosuo.policy.envelope import Envelope
from guosuo.roles.bundle import default_min_regions
from guosuo.roles.gate import GateAuthority, GateState
from guosuo.roles.issuer import Issuer
from guosuo.roles.officer import Officer, health_administration, organisation_of
from guosuo.suite import SHA256_SUITE

EPOCH_ZERO: Final = "2021-01-01T00:00:00Z"
EXAMPLE: Final = "Example: guosuo region init fed 440000 360000 --key-file regions.key"

_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{1,11}", re.ASCII)
_MIN_MEMBERS: Final = 2


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="New directory of the federation.")
    ],
    codes: Annotated[
        list[str], typer.Argument(metavar="CODE...", help="Codes of its regions, at least two.")
    ],
    *,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE=NAME",
            help="Name of a region, English/中文; Chinese provinces have theirs.",
            show_default=False,
        ),
    ] = None,
    environment: Annotated[
        Environment, typer.Option(help="Part of the federation's identifier, for ever.")
    ] = Environment.TEST,
    epoch_zero: Annotated[
        str, typer.Option(metavar="TIME", help="Beginning of the first epoch.")
    ] = EPOCH_ZERO,
    epoch_seconds: Annotated[
        int, typer.Option(min=60, max=86_400, help="Length of an epoch.")
    ] = 14_400,
    tick_seconds: Annotated[int, typer.Option(min=30, max=60, help="Length of a tick.")] = 30,
    bucket_slots: Annotated[
        int, typer.Option(min=16, max=4096, help="Slots in one bucket of the board.")
    ] = 1024,
    slots_per_person: Annotated[
        int, typer.Option(min=1, max=16, help="Pieces of evidence that one person may enrol.")
    ] = 4,
    min_regions: Annotated[
        int | None,
        typer.Option(
            min=2, max=1000, help="Regions a trust list must hold.", show_default="2 or 3"
        ),
    ] = None,
    min_crowd: Annotated[
        int, typer.Option(min=0, max=1 << 40, help="Active slots beside the largest region's.")
    ] = 0,
    envelope: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Bounds of all policies, for ever: JSON, as `guosuo examples` writes it.",
            show_default=False,
        ),
    ] = None,
    key_file: KeyFileOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Found a federation, for development: the keys of all its regions are made here.

    Every region's keys and slots are sealed in regions/CODE/private/region.vault with a
    passphrase or a key file; everything else in the directory is public.
    """
    desk = Desk.open(None, engine, as_json)
    charter_names = _names(codes, name or [])
    bounds = None if envelope is None else read_envelope(read_file(envelope))
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CallerError(Reason.STORE_EXISTS, "that directory holds something; name a new one")
    if directory.resolve() == Path.cwd():
        raise CallerError(Reason.ARGUMENT, "name a new directory below this one")
    parameters = Parameters(
        epoch_zero=read_time(epoch_zero),
        epoch_seconds=epoch_seconds,
        tick_seconds=tick_seconds,
        min_regions=min_regions or default_min_regions(len(codes)),
        min_crowd=min_crowd,
        slots_per_person=slots_per_person,
        bucket_slots=bucket_slots,
        late_epochs=LATE_EPOCHS,
        hold_epochs=HOLD_EPOCHS,
    )
    if parameters.min_regions > len(codes):
        raise CallerError(Reason.ARGUMENT, "--min-regions is above the number of regions")
    secret = open_secret(key_file, new=True, what="all regions")
    federation = _found(desk, directory, environment, charter_names, parameters, bounds, secret)
    desk.say(f"Founded a {environment.value} federation of {len(codes)} regions in {directory}.")
    desk.say(f"Its identifier, by which wallets know it: {federation}")
    if bounds is not None:
        desk.say(f"No policy of its regions may break: {_bounds_text(bounds)}.")
    desk.say("The keys of all regions are on this machine: good for trying out, for nothing else.")
    desk.say(f"Next: guosuo region turn-epoch {directory} --all")
    desk.result(
        directory=str(directory),
        federation=federation,
        environment=environment.value,
        regions=sorted(codes),
        envelope=[bound.name for bound in bounds.bounds] if bounds else None,
    )


def _bounds_text(envelope: Envelope) -> str:
    kinds = [f"takes {kind.name.lower()}s" for kind in envelope.kinds]
    return ", ".join([*kinds, *(bound.name for bound in envelope.bounds)]) or "nothing"


def _names(codes: list[str], given: Iterable[str]) -> dict[str, tuple[Name, ...]]:
    """Names of every region, from `--name` or the table of provinces; sorted by code."""
    if len(codes) < _MIN_MEMBERS or len(set(codes)) != len(codes):
        raise CallerError(Reason.ARGUMENT, "name at least two regions, each once")
    if any(_CODE.fullmatch(code) is None for code in codes):
        raise CallerError(
            Reason.ARGUMENT, "a region's code has 2 to 12 letters, digits and hyphens"
        )
    names = {code: places.names(code) for code in sorted(codes)}
    for item in given:
        code, equals, text = item.partition("=")
        if not equals or code not in names:
            raise CallerError(
                Reason.ARGUMENT, "--name is CODE=English/中文, of a region named here"
            )
        names[code] = read_names(text)
    return names


def read_names(text: str) -> tuple[Name, ...]:
    """English and, after a slash, Chinese; `CallerError(ARGUMENT)` for an empty name."""
    english, slash, chinese = (part.strip() for part in text.partition("/"))
    if not english or (slash and not chinese):
        raise CallerError(Reason.ARGUMENT, "a name is English, or English/中文")
    first = Name(language="en", text=english)
    return (first, Name(language="zh", text=chinese)) if chinese else (first,)


def _found(
    desk: Desk,
    root: Path,
    environment: Environment,
    names: Mapping[str, tuple[Name, ...]],
    parameters: Parameters,
    envelope: Envelope | None,
    secret: Secret,
) -> str:
    """Build everything beside `root` and rename it into place: all of it, or nothing."""
    roots = {code: SigningKey(desk.entropy.octets(32)) for code in names}
    logs = {code: SigningKey(desk.entropy.octets(32)) for code in names}
    members = [
        Member(
            region=code,
            names=names[code],
            root_key=bytes(roots[code].verify_key),
            log_key=bytes(logs[code].verify_key),
        )
        for code in names
    ]
    officers = {code: SigningKey(desk.entropy.octets(32)) for code in names}
    charter = Charter(
        version=1,
        suite=SHA256_SUITE,
        environment=environment,
        members=tuple(members),
        organisations=tuple(
            health_administration(code, names[code], bytes(officers[code].verify_key))
            for code in names
        ),
        parameters=parameters,
        envelope=envelope,
    )
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    try:
        FederationDirectory.found(building, sign_charter(charter, roots).encode())
        built = FederationDirectory(building, desk.suite)
        federation = built.federation
        for code, directory in built.regions.items():
            RegionHost(
                Issuer.found(federation, code, roots[code], logs[code], desk.entropy),
                GateAuthority(federation, GateState(code)),
                LogWriter(logs[code], federation.id, code),
                directory,
                Officer(federation, organisation_of(code), officers[code]),
                RegionVault.of(directory, secret, desk.entropy),
            ).save()
        building.chmod(0o755)
        if root.exists():
            root.rmdir()
        building.rename(root)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return federation.id.hex()
