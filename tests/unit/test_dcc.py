"""The member states' own test certificates, one expectation after the other, then as a whole."""

import base64
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import dcc, facts, foreign_cbor, payload
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.wire import base45

SEVERAL_ENTRIES = {"RO/2", "SK/3"}
"""Allowed by schema 1.0 to 1.2; a credential carries one piece of evidence, so we refuse them."""

CLOCK_BEFORE_ISSUE = {"ES/1101", "ES/2102", "SG/4"}
"""Their clock lies before `iat`; upstream does not ask for the expiration check."""

REASONS = {
    "PL/6": Reason.DCC_SIGNER,
    "PL/8": Reason.DCC_PAYLOAD,
    "PL/10": Reason.DCC_VALIDITY,
    "common/B1": Reason.BASE45,
    "common/CBO2": Reason.DCC_COSE,
    "common/CO6": Reason.DCC_SIGNER,
    "common/CO8": Reason.DCC_SIGNER,
    "common/CO10": Reason.DCC_SIGNER,
    "common/CO16": Reason.DCC_VALIDITY,
    "common/CO23": Reason.DCC_SIGNER,
    "common/DGC1": Reason.DCC_PAYLOAD,
    "common/H1": Reason.DCC_PREFIX,
    "common/H3": Reason.DCC_PREFIX,
    "common/Z1": Reason.DCC_COMPRESSION,
}
"""Certificates with an expectation `false`, and the reason for which all of it is refused."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    fields: dict[str, Any]

    @property
    def expected(self) -> dict[str, bool]:
        return self.fields["EXPECTEDRESULTS"]

    @property
    def text(self) -> str:
        return self.fields["PREFIX"]

    @property
    def signer(self) -> TrustAnchor:
        der = base64.b64decode(self.fields["TESTCTX"]["CERTIFICATE"])
        return TrustAnchor(der, test_only=True)

    @property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors([self.signer], allow_test=True)

    @property
    def clock(self) -> int:
        """Whole Unix seconds; some clocks have more than microseconds, some no offset."""
        text = re.sub(r"\.\d+", "", self.fields["TESTCTX"]["VALIDATIONCLOCK"])
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

    def hexadecimal(self, field: str) -> bytes | None:
        return bytes.fromhex(self.fields[field]) if field in self.fields else None

    def cose(self) -> bytes:
        """The field, or where it is missing, decoded from the text."""
        given = self.hexadecimal("COSE")
        return dcc.decompress(self.compressed()) if given is None else given

    def compressed(self) -> bytes:
        return base45.decode(dcc.strip_prefix(self.text), max_length=dcc.MAX_TEXT)

    def claims(self) -> dcc.Claims:
        return dcc.read_claims(dcc.open_document(self.cose()).payload)


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Case]:
    folder = vectors / "dcc" / "certificates"
    found = [
        Case(path.relative_to(folder).with_suffix("").as_posix(), json.loads(path.read_text()))
        for path in sorted(folder.glob("*/*.json"))
    ]
    assert len(found) >= 109
    return found


def check(cases: list[Case], expectation: str, step: Callable[[Case], bool | None]) -> int:
    """How many cases were asked; `step` answers None where an input field is missing."""
    asked = 0
    wrong = []
    for case in cases:
        if expectation not in case.expected:
            continue
        try:
            answer = step(case)
        except PeerError:
            answer = False
        if answer is not None:
            asked += 1
            if answer is not case.expected[expectation]:
                wrong.append(case.name)
    assert not wrong
    return asked


def picture_text(png: bytes) -> str:
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)))
    return code.text


def test_picture_decode(cases: list[Case]) -> None:
    def step(case: Case) -> bool | None:
        if "2DCODE" not in case.fields:
            return None
        return picture_text(base64.b64decode(case.fields["2DCODE"])) == case.text

    assert check(cases, "EXPECTEDPICTUREDECODE", step) >= 51


def test_unprefix(cases: list[Case]) -> None:
    def step(case: Case) -> bool:
        rest = dcc.strip_prefix(case.text)
        return rest == case.fields.get("BASE45", rest)

    assert check(cases, "EXPECTEDUNPREFIX", step) >= 86


def test_base45_decode(cases: list[Case]) -> None:
    def step(case: Case) -> bool:
        data = base45.decode(case.fields["BASE45"], max_length=dcc.MAX_TEXT)
        return data == (case.hexadecimal("COMPRESSED") or data)

    assert check(cases, "EXPECTEDB45DECODE", step) >= 87


def test_compression(cases: list[Case]) -> None:
    def step(case: Case) -> bool | None:
        compressed = case.hexadecimal("COMPRESSED")
        return None if compressed is None else dcc.decompress(compressed) == case.cose()

    assert check(cases, "EXPECTEDCOMPRESSION", step) >= 50


def test_verify(cases: list[Case]) -> None:
    def step(case: Case) -> bool:
        document = dcc.open_document(case.cose())
        signers = dcc.find_signers(document, case.anchors)
        return dcc.check_signature(document, signers) == case.signer

    assert check(cases, "EXPECTEDVERIFY", step) >= 96


def test_decode(cases: list[Case]) -> None:
    def step(case: Case) -> bool | None:
        data = case.hexadecimal("CBOR")
        if data is None:
            return None
        item = foreign_cbor.read(data)
        whole = isinstance(item, dict) and -260 in item  # some states give all claims here
        payload_item = dcc.read_claims(data).health if whole else item
        return payload_item == case.fields["JSON"] == case.claims().health

    assert check(cases, "EXPECTEDDECODE", step) >= 85


@pytest.mark.parametrize("expectation", ["EXPECTEDVALIDJSON", "EXPECTEDVALIDOBJECT"])
def test_valid_json(cases: list[Case], expectation: str) -> None:
    def step(case: Case) -> bool:
        document = dcc.open_document(dcc.decompress(case.compressed()))
        return dcc.read_claims(document.payload).health == case.fields["JSON"]

    assert check(cases, expectation, step) >= 27


def test_schema_validation(cases: list[Case]) -> None:
    def step(case: Case) -> bool | None:
        if case.name in SEVERAL_ENTRIES:
            return None
        payload.read_payload(case.claims().health)
        return True

    assert check(cases, "EXPECTEDSCHEMAVALIDATION", step) >= 77


@pytest.mark.parametrize("expectation", ["EXPECTEDEXPIRATIONCHECK", "EXPTECTEDEXPIRED"])
def test_expiration_check(cases: list[Case], expectation: str) -> None:
    def step(case: Case) -> bool:
        dcc.check_validity(case.claims(), now=case.clock)
        return True

    assert check(cases, expectation, step) >= 5


def test_key_usage(cases: list[Case]) -> None:
    def step(case: Case) -> bool | None:
        if case.expected.get("EXPECTEDSCHEMAVALIDATION") and case.name in SEVERAL_ENTRIES:
            return None
        _, entry = payload.read_payload(case.claims().health)
        dcc.check_signer_kind(case.signer, entry.kind)
        return True

    assert check(cases, "EXPECTEDKEYUSAGE", step) >= 34


def verified(cases: list[Case]) -> Iterator[tuple[Case, dcc.VerifiedDcc]]:
    for case in cases:
        if case.name in REASONS or case.name in SEVERAL_ENTRIES:
            continue
        now = case.clock
        if case.name in CLOCK_BEFORE_ISSUE:
            now = case.claims().issued_at
        yield case, dcc.verify(case.text, case.anchors, now=now)


def test_whole_path_of_good_certificates(cases: list[Case]) -> None:
    count = 0
    for case, document in verified(cases):
        count += 1
        assert all(case.expected.values())
        original = document.payload()
        (group,) = (original[name] for name in ("v", "t", "r") if original.get(name))
        assert isinstance(group, list)
        (entry,) = group
        assert isinstance(entry, dict)
        assert document.entry.ci == entry["ci"]
        assert document.entry.co == entry["co"]
        assert document.test_only
        assert document.issued_at <= document.expires_at
        if case.name.split("/")[0] not in {"common", "ES"}:
            assert document.issuer_country == case.name.split("/")[0]
    assert count >= 93


def test_whole_path_of_bad_certificates(cases: list[Case]) -> None:
    bad = {case.name: case for case in cases if not all(case.expected.values())}
    assert bad.keys() >= REASONS.keys()
    for name, case in bad.items():
        with pytest.raises(PeerError) as caught:
            dcc.verify(case.text, case.anchors, now=case.clock)
        assert caught.value.reason is REASONS.get(name, caught.value.reason)
        assert caught.value.__context__ is None, "an inner exception may quote the document"


def test_two_entries_are_refused(cases: list[Case]) -> None:
    for case in cases:
        if case.name in SEVERAL_ENTRIES:
            with pytest.raises(PeerError) as caught:
                dcc.verify(case.text, case.anchors, now=case.clock)
            assert caught.value.reason is Reason.DCC_PAYLOAD


def test_a_known_certificate_field_by_field(cases: list[Case]) -> None:
    documents = {case.name: document for case, document in verified(cases)}
    booster = documents["LT/1"]
    assert booster.issuer == booster.issuer_country == "LT"
    assert (booster.issued_at, booster.expires_at) == (1642499624, 1701640801)
    assert booster.holder.fnt == "PAVARDENYTE<PAVARDENE"
    assert booster.holder.gn == "Birutė-Marija"
    assert booster.holder.dob == "2000-10-03"
    assert isinstance(booster.entry, payload.Vaccination)
    assert (booster.entry.mp, booster.entry.dn, booster.entry.sd) == ("EU/1/20/1528", 3, 3)
    assert booster.entry.dt.isoformat() == "2021-12-10"
    test = documents["CZ/13"].entry
    assert isinstance(test, payload.Test)
    assert test.sc == int(datetime(2021, 6, 27, 21, 59, 59, tzinfo=UTC).timestamp())
    recovery = documents["SG/4"].entry
    assert isinstance(recovery, payload.Recovery)
    assert recovery.du.isoformat() == "2022-06-30"
    assert documents["BG/1"].holder.dob == "1978-01-26", "a time of day behind it is dropped"
    assert documents["GE/1"].issuer_country == "GE", "its issuer is the name of a ministry"


def test_nothing_personal_in_a_repr(cases: list[Case]) -> None:
    for case, document in verified(cases):
        shown = [document, document.holder, document.entry, case.claims()]
        shown.append(dcc.open_document(case.cose()))
        with suppress(PeerError):
            shown.append(facts.fact_from_dcc(document))
        seen = "\n".join(f"{item!r} {item}" for item in shown)
        holder, entry = document.holder, document.entry
        private = [holder.fn, holder.gn, holder.fnt, holder.gnt, holder.dob, entry.ci, entry.is_]
        private += [str(document.issued_at), str(document.expires_at), document.digest.hex()]
        private += re.findall(r"\d{4}-\d\d-\d\d", json.dumps(case.claims().health))
        assert [text for text in private if text and text in seen] == []


def test_only_verify_makes_a_verified_certificate(cases: list[Case]) -> None:
    _, document = next(verified(cases))
    fields = {field.name: getattr(document, field.name) for field in dataclasses.fields(document)}
    with pytest.raises(CallerError) as caught:
        dcc.VerifiedDcc(**fields, token=object())
    assert caught.value.reason is Reason.STATE
    with pytest.raises((ValueError, TypeError), match="token"):  # by version of Python
        dataclasses.replace(document, issued_at=0)  # type: ignore[call-arg]  # that is the point


def test_production_refuses_test_anchors(cases: list[Case]) -> None:
    with pytest.raises(CallerError) as caught:
        TrustAnchors([cases[0].signer])
    assert caught.value.reason is Reason.STATE
    assert len(TrustAnchors([cases[0].signer], allow_test=True)) == 1
    assert len(TrustAnchors([])) == 0
