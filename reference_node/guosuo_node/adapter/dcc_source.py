"""The document adapter: citizens hand in the text of a certificate's QR code.

Entry point `documents`. The person comes from a counter's statement, the evidence from
the certificate (GS-EVID-7), and the desk compares name and birth date. Settings:

    anchors             file of signers, JSON as `guosuo examples` writes it
    allow_test_anchors  take test signers, too; never in production
    counter_keys        public keys of the region's counters, hexadecimal
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from guosuo.certlogic.json_text import load_json
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence.dcc import verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.person import Identified
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo_node.adapter.counter import CounterCheck
from guosuo_node.adapter.interface import (
    Adapter,
    Cause,
    Context,
    Evidence,
    PersonCheck,
    Refusal,
    Refused,
    Settings,
    Unavailable,
)
from guosuo_node.adapter.plugins import SetupError, flag_setting, list_setting, only, text_setting

MAX_ANCHORS: Final = 1 << 20
"""Octets of a file of signers."""


class DccSource:
    """Evidence from EU Digital COVID Certificates. Keeps nothing."""

    __slots__ = ("_anchors",)

    def __init__(self, anchors: TrustAnchors) -> None:
        """`anchors` are the signers that count."""
        self._anchors = anchors

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        """The fact of the certificate whose QR text `reference` is, and its holder.

        Whose it is the caller compares: `identified` is not looked at. Verifying takes
        milliseconds (one signature, 64 KiB at most), so it is done in place.
        """
        del identified
        # Not ASCII is not Base45 either.
        text = reference.decode("ascii", errors="replace")
        try:
            document = verify(text, self._anchors, now=now)
        except PeerError:
            document = None
        if document is None:
            raise Refused(Refusal.NOT_VERIFIED)
        try:
            fact = fact_from_dcc(document)
        except PeerError:
            fact = None
        if fact is None:
            raise Refused(Refusal.NOT_EVIDENCE)
        return Evidence(fact, document.holder)


class DocumentAdapter:
    """Any person check with certificates as evidence."""

    __slots__ = ("_closed", "_person", "_source")

    def __init__(self, person: PersonCheck, source: DccSource) -> None:
        """Both are asked in turn, never about each other."""
        self._person, self._source, self._closed = person, source, False

    async def identify(self, identification: str, *, now: int) -> Identified:
        """As the person check."""
        self._check_open()
        return await self._person.identify(identification, now=now)

    async def evidence(self, identified: Identified, reference: bytes, *, now: int) -> Evidence:
        """As `DccSource.evidence`."""
        self._check_open()
        return await self._source.evidence(identified, reference, now=now)

    async def close(self) -> None:
        """No connections to let go of."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(Cause.CLOSED)


def make(settings: Settings, context: Context) -> Adapter:
    """The factory of the entry point `documents`."""
    only(settings, "anchors", "allow_test_anchors", "counter_keys")
    allow_test = flag_setting(settings, "allow_test_anchors")
    if allow_test and context.production:
        raise SetupError("a production federation takes no test anchors: drop allow_test_anchors")
    anchors = read_anchors(
        context.folder / text_setting(settings, "anchors"), allow_test=allow_test
    )
    try:
        keys = [bytes.fromhex(key) for key in list_setting(settings, "counter_keys")]
        check = CounterCheck(context.region, keys)
    except (ValueError, CallerError) as error:
        if isinstance(error, SetupError):
            raise
        raise SetupError("counter_keys are public keys of 64 hexadecimal digits each") from None
    return DocumentAdapter(check, DccSource(anchors))


def read_anchors(path: Path, *, allow_test: bool) -> TrustAnchors:
    """Signers from a file; `SetupError` (also for test anchors that are not allowed)."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ANCHORS + 1)
    except OSError as error:
        advice = f"the file of signers {str(path)!r} cannot be read: {error.strerror}"
        raise SetupError(advice) from error
    try:
        return TrustAnchors(_anchors(load_json(data)), allow_test=allow_test)
    except CallerError as error:
        if error.reason is Reason.STATE:
            raise SetupError(
                "the file of signers has test anchors; allow_test_anchors takes them in a test "
                "federation"
            ) from None
    except (PeerError, ValueError, KeyError, TypeError):
        pass
    advice = (
        f"the file of signers {str(path)!r} is not a list as `guosuo examples` writes it: "
        '{"anchors": [{"certificate": DER in base64, "test_only": true or false}]}'
    )
    raise SetupError(advice)


def _anchors(value: object) -> Iterator[TrustAnchor]:
    if not isinstance(value, dict) or not isinstance(value["anchors"], list):
        raise TypeError
    for anchor in value["anchors"]:
        certificate, test_only = anchor["certificate"], anchor["test_only"]
        if type(test_only) is not bool:
            raise TypeError
        yield TrustAnchor(base64.b64decode(certificate, validate=True), test_only=test_only)
