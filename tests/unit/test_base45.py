"""Base45 against RFC 9285, exhaustively where that is possible."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import PeerError, Reason
from guosuo.wire import base45

ACCEPT_TWINS = {"GGW": "FGW", ":::": "::5", "BB8B": "BB8B0", "bb8": "BB8", "BB_": "BB8", "::": ":4"}
"""Each refused text of the vectors, and an accepted one a mutation away."""


@pytest.fixture(scope="module")
def rfc9285(vectors: Path) -> dict[str, Any]:
    return json.loads((vectors / "base45" / "rfc9285.json").read_text())


def refusal(text: str, max_length: int = 100) -> Reason:
    with pytest.raises(PeerError) as caught:
        base45.decode(text, max_length=max_length)
    assert caught.value.__context__ is None, "an inner exception may quote the text"
    return caught.value.reason


def test_published_examples_both_ways(rfc9285: dict[str, Any]) -> None:
    pairs = [(case["encoded"], case["bytes_utf8"].encode()) for case in rfc9285["valid"]]
    pairs += [(case["encoded"], bytes.fromhex(case["bytes_hex"])) for case in rfc9285["limits"]]
    assert len(pairs) == 6
    for text, data in pairs:
        assert base45.encode(data) == text
        assert base45.decode(text, max_length=len(text)) == data


def test_published_refusals_and_their_accept_twins(rfc9285: dict[str, Any]) -> None:
    refused = [case["encoded"] for case in rfc9285["invalid"]]
    assert sorted(refused) == sorted(ACCEPT_TWINS)
    for text in refused:
        assert refusal(text) is Reason.BASE45, text
        twin = ACCEPT_TWINS[text]
        assert base45.encode(base45.decode(twin, max_length=100)) == twin


def test_every_group_of_three_is_one_pair_of_bytes_or_refused() -> None:
    accepted = set()
    for value, reverse in enumerate(product(base45.ALPHABET, repeat=3)):
        text = "".join(reversed(reverse))
        if value <= 0xFFFF:
            data = base45.decode(text, max_length=3)
            assert data == value.to_bytes(2, "big")
            assert base45.encode(data) == text
            accepted.add(data)
        else:
            assert refusal(text) is Reason.BASE45
    assert len(accepted) == 1 << 16


def test_every_tail_of_two_is_one_byte_or_refused() -> None:
    for value, reverse in enumerate(product(base45.ALPHABET, repeat=2)):
        text = "".join(reversed(reverse))
        if value <= 0xFF:
            assert base45.decode(text, max_length=2) == bytes([value])
            assert base45.encode(bytes([value])) == text
        else:
            assert refusal(text) is Reason.BASE45


def test_every_other_character_is_refused() -> None:
    # Up to the long s and the Kelvin sign, which some case foldings turn into S and K.
    others = [c for c in map(chr, range(0x2200)) if c not in base45.ALPHABET]
    others += ["\ud800", "\uff21", "\U0001f600"]
    for character in others:
        assert refusal("BB" + character) is Reason.BASE45
        assert refusal(character + "B") is Reason.BASE45


def test_length_bound_is_inclusive() -> None:
    assert base45.decode("BB8", max_length=3) == b"AB"
    assert refusal("BB8", max_length=2) is Reason.TOO_LONG


def test_too_long_is_noticed_before_anything_else() -> None:
    assert refusal("_" * 4, max_length=3) is Reason.TOO_LONG


@given(st.binary(max_size=200))
def test_decode_inverts_encode(data: bytes) -> None:
    text = base45.encode(data)
    assert len(text) == len(data) // 2 * 3 + len(data) % 2 * 2
    assert base45.decode(text, max_length=len(text)) == data


@given(st.text(max_size=40) | st.text(alphabet=base45.ALPHABET, max_size=40))
def test_any_text_is_the_encoding_of_what_it_decodes_to_or_refused(text: str) -> None:
    data: bytes | None
    try:
        data = base45.decode(text, max_length=40)
    except PeerError:
        data = None
    if data is None:
        assert refusal(text) is Reason.BASE45
    else:
        assert base45.encode(data) == text
