"""The certificates of the demonstration: every line of their index is true."""

import base64
import io
import json
from importlib.resources import files
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from guosuo.errors import CallerError, PeerError
from guosuo.evidence import payload
from guosuo.evidence.dcc import verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.registry import OTHER
from guosuo.evidence.trust import TrustAnchor, TrustAnchors

FOLDER = files("guosuo") / "cli" / "demo_data"
INDEX: dict[str, Any] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
NOW: int = INDEX["now"]
CERTIFICATES: list[dict[str, Any]] = INDEX["certificates"]


def anchors() -> list[TrustAnchor]:
    return [
        TrustAnchor(base64.b64decode(entry["certificate"]), test_only=entry["test_only"])
        for entry in INDEX["anchors"]
    ]


def text_of(entry: dict[str, Any]) -> str:
    picture = (FOLDER / entry["file"]).read_bytes()
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    return code.text


@pytest.mark.parametrize("entry", CERTIFICATES, ids=lambda entry: entry["file"])
def test_each_picture_gives_what_the_index_says(entry: dict[str, Any]) -> None:
    trusted = TrustAnchors(anchors(), allow_test=True)
    if entry["expected"] != "ok":
        with pytest.raises(PeerError) as caught:
            verify(text_of(entry), trusted, now=NOW)
        assert caught.value.reason == entry["expected"]
        return
    document = verify(text_of(entry), trusted, now=NOW)
    fact = fact_from_dcc(document)
    assert document.issuer_country == document.entry.co == entry["country"]
    assert document.kid.hex() == entry["kid"]
    assert (document.issued_at, document.expires_at) == (entry["issued_at"], entry["expires_at"])
    assert fact.kind.name.lower() == entry["kind"]
    assert fact.event_time == entry["event_time"]
    assert (NOW - fact.event_time) // 3600 == entry["age_hours"]
    assert fact.product != OTHER
    if isinstance(document.entry, payload.Vaccination):
        assert document.entry.mp == entry["product"]
        assert (document.entry.dn, document.entry.sd) == (entry["doses"], entry["series"])
    if isinstance(document.entry, payload.Test):
        assert document.entry.tt == entry["product"]


def test_the_set_shows_what_a_demonstration_needs() -> None:
    good = [entry for entry in CERTIFICATES if entry["expected"] == "ok"]
    assert {entry["kind"] for entry in good} == {"vaccination", "test", "recovery"}
    assert {entry["algorithm"] for entry in good} == {"ES256", "PS256"}
    assert len({entry["country"] for entry in good}) >= 5
    assert {entry["expected"] for entry in CERTIFICATES} >= {
        "dcc-signature",
        "dcc-signer",
        "dcc-validity",
    }


def test_the_index_is_complete_and_small() -> None:
    present = {item.name for item in FOLDER.iterdir() if item.name.endswith(".png")}
    assert present == {entry["file"] for entry in CERTIFICATES}
    assert sum(len(item.read_bytes()) for item in FOLDER.iterdir() if item.is_file()) < 150_000
    for entry, anchor in zip(INDEX["anchors"], anchors(), strict=True):
        assert anchor.kid.hex() == entry["kid"]
        assert (anchor.not_before, anchor.not_after) == (entry["not_before"], entry["not_after"])


def test_production_refuses_the_demo_anchors() -> None:
    assert all(anchor.test_only for anchor in anchors())
    with pytest.raises(CallerError):
        TrustAnchors(anchors())
