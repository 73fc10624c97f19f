"""What all commands share: options, the clock, secrets, codes, files, and how they answer.

A command opens a `Desk`, works, and answers once: in words with `say`, or, under
`--json`, with one JSON document through `result`. Errors are left to `cli.main`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import segno
import typer
from rich.console import Console

from guosuo.curve.entropy import Entropy
from guosuo.curve.selection import get_engine
from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.federation.charter import Environment
from guosuo.host.directory import FederationDirectory
from guosuo.host.files import PRIVATE, PUBLIC, write_atomically
from guosuo.host.pictures import MAX_PICTURE, make_code, png, read_png
from guosuo.host.vault import KeyFile, Passphrase, Secret
from guosuo.policy.compiler import PolicyError
from guosuo.suite import Suite

PASSPHRASE_VARIABLE: Final = "GUOSUO_PASSPHRASE"  # noqa: S105 - a name, not a passphrase
FEDERATION_VARIABLE: Final = "GUOSUO_FEDERATION"
NOW_VARIABLE: Final = "GUOSUO_NOW"
MAX_FILE: Final = 1 << 20
"""Octets of an offer, request, answer, policy or list of anchors that is read at most."""

_PREFIXES: Final = ("HC1:", "GS1:", "GP1:", "GC1:")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MAX_TIME: Final = 1 << 40

# --- options ----------------------------------------------------------------------------

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document.")]
EngineOption = Annotated[
    str | None,
    typer.Option(
        help="Curve engine: pyblst, py_arkworks_bls12381 or py_ecc.",
        metavar="NAME",
        show_default=False,
    ),
]
NowOption = Annotated[
    str | None,
    typer.Option(
        help="Act as if it were this time (ISO 8601, or Unix seconds); test federations only.",
        envvar=NOW_VARIABLE,
        metavar="TIME",
        show_default="the clock",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        help=f"Open with this key file instead of {PASSPHRASE_VARIABLE} or a prompt; "
        "made if something new is sealed with it.",
        metavar="PATH",
        show_default=False,
    ),
]
FederationOption = Annotated[
    Path,
    typer.Option(
        "--federation",
        envvar=FEDERATION_VARIABLE,
        help="The federation's directory.",
        metavar="DIR",
    ),
]
DccOption = Annotated[
    str | None,
    typer.Option(metavar="PICTURE", help="The certificate's QR code: a picture, its text, or - ."),
]
AnchorsOption = Annotated[
    Path | None,
    typer.Option(
        help="Certificates of signers: JSON, as `guosuo examples` writes it.",
        metavar="PATH",
        show_default=False,
    ),
]
AllowTestOption = Annotated[
    bool,
    typer.Option(
        "--allow-test-anchors", help="Take anchors marked test_only; test federations only."
    ),
]


# --- the desk ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desk:
    """Engine, randomness, time and voice of one command."""

    suite: Suite
    entropy: Entropy
    now: int
    pretended: bool
    """The time was given with `--now` or `GUOSUO_NOW`."""
    as_json: bool
    console: Console
    """Words for people; nothing of a JSON answer goes through it."""

    @classmethod
    def open(cls, now: str | None, engine: str | None, as_json: bool) -> Desk:  # noqa: FBT001
        """From the options of a command."""
        return cls(
            suite=Suite.sha256(get_engine(engine)),
            entropy=Entropy(os.urandom),
            now=read_time(now) if now is not None else int(time.time()),
            pretended=now is not None,
            as_json=as_json,
            console=Console(file=sys.stderr if as_json else sys.stdout, soft_wrap=True),
        )

    def federation(self, root: Path, *, follow: bool = True) -> FederationDirectory:
        """A federation's directory; with `follow`, all published entries verified."""
        try:
            directory = FederationDirectory(root, self.suite)
        except PeerError as error:
            hint = "the charter is damaged, or is none; copy the federation's directory anew"
            raise PeerError(error.reason, hint) from None
        environment = directory.federation.charter.environment
        if self.pretended and environment is not Environment.TEST:
            raise CallerError(Reason.ARGUMENT, "--now and GUOSUO_NOW are for test federations only")
        if self.now < directory.federation.clock.zero:
            raise CallerError(Reason.ARGUMENT, "that time is before the federation's first epoch")
        if follow:
            with advising("copy the federation's directory anew"):
                directory.catch_up()
        return directory

    def say(self, text: str, style: str | None = None) -> None:
        """A line for people; silent under `--json`."""
        if not self.as_json:
            self.console.print(printable(text), style=style, markup=False, highlight=False)

    def warn(self, text: str) -> None:
        """A line on the error channel, under `--json` too."""
        Console(stderr=True, soft_wrap=True).print(
            printable(text), style="yellow", markup=False, highlight=False
        )

    def result(self, **values: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """The answer for machines; silent without `--json`."""
        if self.as_json:
            typer.echo(json.dumps(values, ensure_ascii=False))

    def draw(self, code: segno.QRCode, text: str) -> None:
        """The code itself: drawn in a terminal, as its text for a pipe."""
        if self.as_json:
            return
        if sys.stdout.isatty():
            code.terminal(out=sys.stdout, compact=True, border=2)
        else:
            self.say(text)


def printable(text: str) -> str:
    """Names come from other regions: what would steer a terminal becomes a question mark."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Errors of the body say, after what is wrong, what to do about it."""
    try:
        yield
    except GuosuoError as error:
        hint = f"{error.hint}; {advice}" if error.hint else advice
        if isinstance(error, PolicyError):
            raise PolicyError(hint, error.faults) from None
        # Other subclasses may be made of other things than a reason and a hint.
        kind = CallerError if isinstance(error, CallerError) else PeerError
        raise kind(error.reason, hint) from None


# --- time -------------------------------------------------------------------------------


def read_time(text: str) -> int:
    """Unix seconds of `1642509000` or `2022-01-18T12:30:00Z`; without an offset it is UTC."""
    if text.isascii() and text.isdigit():
        moment = int(text[:20])
    else:
        try:
            read = datetime.fromisoformat(text)
            moment = int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
        except (ValueError, OverflowError):
            moment = -1
    if not 0 <= moment < _MAX_TIME:
        raise CallerError(
            Reason.ARGUMENT, "a time is 2022-01-18T12:30:00Z, or Unix seconds from 1970 on"
        )
    return moment


def time_text(moment: int) -> str:
    """As "2022-01-18 12:30 UTC", with seconds if there are any."""
    seconds = ":%S" if moment % 60 else ""
    return datetime.fromtimestamp(moment, UTC).strftime(f"%Y-%m-%d %H:%M{seconds} UTC")


# --- secrets ----------------------------------------------------------------------------


def open_secret(
    key_file: Path | None,
    *,
    new: bool = False,
    what: str = "the file",
    variable: str = PASSPHRASE_VARIABLE,
    option: str = "--key-file",
) -> Secret:
    """What opens `what`: the key file, else the variable, else a prompt; `new` makes one."""
    if key_file is not None:
        if new and not key_file.exists():
            return KeyFile.create(key_file, Entropy(os.urandom))
        with advising(f"name the right key file with {option}"):
            return KeyFile(key_file)
    text = os.environ.get(variable)
    if text is None:
        if not sys.stdin.isatty():
            hint = f"nobody to ask for the passphrase: set {variable}, or give {option}"
            raise CallerError(Reason.ARGUMENT, hint)
        text = typer.prompt(
            f"Passphrase of {what}", hide_input=True, confirmation_prompt=new, err=True
        )
    return Passphrase(text)


# --- files and codes --------------------------------------------------------------------


def read_file(path: Path, *, most: int = MAX_FILE) -> bytes:
    """A small file from somebody else; `CallerError(STORE_MISSING)`, `PeerError(TOO_LONG)`."""
    if not path.is_file():
        raise CallerError(Reason.STORE_MISSING, "no such file; check the path")
    if path.stat().st_size > most:
        raise PeerError(Reason.TOO_LONG, "that file is too large for what it should be")
    return path.read_bytes()


def write_new(path: Path, data: bytes) -> None:
    """A file for somebody else, mode 0600; `CallerError(STORE_EXISTS)` replaces nothing."""
    refuse_existing(path)
    write_atomically(path, data, mode=PRIVATE)


def refuse_existing(path: Path) -> None:
    """`CallerError(STORE_EXISTS)` if there is anything of that name."""
    if path.exists():
        raise CallerError(Reason.STORE_EXISTS, "there is a file of that name; choose another")


def refuse_other_than_picture(path: Path | None) -> None:
    """`CallerError(STORE_EXISTS)` if writing a picture there would replace something else."""
    if path is None or not path.exists():
        return
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(len(_PNG))
    if start != _PNG:
        raise CallerError(Reason.STORE_EXISTS, "that is no picture; choose another name for it")


def write_code(desk: Desk, text: str, out: Path | None, *, scale: int = 4) -> segno.QRCode:
    """Show a code: as a picture in `out` if given, and in the terminal."""
    code = make_code(text)
    if out is not None:
        refuse_other_than_picture(out)
        write_atomically(out, png(code, scale=scale), mode=PUBLIC)
    desk.draw(code, text)
    return code


def read_code(source: str) -> str:
    """The text of a code: given as text, in a picture, in a text file, or `-` for one line.

    `-` is for scanners that type what they read. `CallerError(STORE_MISSING)`,
    `PeerError(QR_PICTURE)`.
    """
    if source == "-":
        return sys.stdin.readline().strip()
    if source.startswith(_PREFIXES):
        return source.strip()
    data = read_file(Path(source), most=MAX_PICTURE)
    if data.startswith(tuple(prefix.encode() for prefix in _PREFIXES)):
        return data.decode("ascii", errors="replace").strip()
    with advising("give a picture of one whole code, sharp and upright"):
        return read_png(data)
