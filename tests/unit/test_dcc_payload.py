"""The payload of a certificate, member by member: what is read, what is refused."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guosuo.errors import PeerError, Reason
from guosuo.evidence import foreign_cbor, payload
from guosuo.evidence.payload import Entry, Person, read_payload

NAME = {"fnt": "LI<WANG", "fn": "Li-Wang", "gnt": "MEI", "gn": "Mei"}
COMMON = {"tg": "840539006", "co": "LU", "is": "Ministry", "ci": "URN:UVCI:01:LU:7"}
VACCINE = {"vp": "J07BX03", "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
ENTRIES: dict[str, dict[str, Any]] = {
    "v": COMMON | VACCINE | {"dn": 2, "sd": 2, "dt": "2021-06-01"},
    "t": COMMON | {"tt": "LP6464-4", "sc": "2021-12-20T08:00:00Z", "tr": "260415000", "tc": "Lab"},
    "r": COMMON | {"fr": "2021-06-01", "df": "2021-06-12", "du": "2021-11-28"},
}


def with_member(group: str, name: str, value: object) -> dict[str, Any]:
    """A good payload with one member of its entry changed; `...` takes it away."""
    changed = ENTRIES[group] | {name: value}
    entry = {key: item for key, item in changed.items() if item is not ...}
    return {"ver": "1.3.0", "nam": NAME, "dob": "1990-05-17", group: [entry]}


def accept(item: dict[str, Any]) -> tuple[Person, Entry]:
    return read_payload(foreign_cbor.read(cbor2.dumps(item)))


def refused(item: dict[str, Any]) -> None:
    with pytest.raises(PeerError) as caught:
        accept(item)
    assert caught.value.reason is Reason.DCC_PAYLOAD
    assert caught.value.__context__ is None, "an inner exception may quote the payload"


GOOD_PERSON = with_member("v", "dn", 2)
WRONG: tuple[object, ...] = (..., None, 7.5, b"", [], {})


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("v", "dt", "2021-06-01T00:00:00"),
        ("v", "dt", "2021-06-01T23:59:59.999999999+02:00"),
        ("v", "dt", "2020-02-29"),
        ("v", "dn", 3),
        ("v", "sd", 99),
        ("v", "co", "XK"),
        ("v", "ci", "x" * 80),
        ("v", "zz", {"unknown": ["members", 1, None, 1.5, b""]}),
        ("t", "nm", None),
        ("t", "ma", "1232"),
        ("t", "tc", ...),
        ("r", "du", "2022-06-30T00:00:00.000Z"),
    ],
)
def test_good_members(group: str, name: str, value: object) -> None:
    accept(with_member(group, name, value))


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("v", "tg vp mp ma dn sd dt co is ci"),
        ("t", "tg tt sc tr co is ci"),
        ("r", "tg fr df du co is ci"),
    ],
)
def test_required_members(group: str, names: str) -> None:
    for name in names.split():
        for value in WRONG:
            refused(with_member(group, name, value))


@pytest.mark.parametrize("value", [0, -1, 100, 1 << 40, True, 2.0, "2"])
def test_doses_that_are_not_counts(value: object) -> None:
    refused(with_member("v", "dn", value))
    refused(with_member("v", "sd", value))


@pytest.mark.parametrize("value", ["XY", "lu", "", "LUX", "EU", 7])
def test_countries_outside_the_value_set(value: object) -> None:
    for group in ENTRIES:
        refused(with_member(group, "co", value))


@pytest.mark.parametrize("value", ["x" * 81, 7, b"x"])
def test_texts_out_of_form(value: object) -> None:
    refused(with_member("v", "ci", value))
    refused(with_member("t", "nm", value))


@pytest.mark.parametrize(
    "value",
    [
        "", "2021-02-29", "2021-13-01", "2021-00-10", "2021-06-31", "2021-6-1", "20210601",
        "1899-12-31", "2100-01-01", "2021-06", "01.06.2021", "2021-06-01 ", "2021-06-01T",
        "2021-06-01T25:00:00", "2021-06-01T00:00:00+24:00", "2021-06-01T00:00", "2021-06-01\n",
        "\uff12\uff10\uff12\uff11-06-01", "2021-06-01T00:00:00Zjunk", 20210601,
    ],
)  # fmt: skip
def test_days_that_are_not(value: object) -> None:
    refused(with_member("v", "dt", value))
    refused(with_member("r", "fr", value))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2021-12-20T08:00:00Z", 1639987200),
        ("2021-12-20T08:00:00", 1639987200),
        ("2021-12-20T08:00:00.999Z", 1639987200),
        ("2021-12-20T09:00:00+01:00", 1639987200),
        ("2021-12-20T09:30:00+0130", 1639987200),
        ("2021-12-19T22:00:00-10", 1639987200),
    ],
)
def test_sample_times(written: str, seconds: int) -> None:
    _, entry = accept(with_member("t", "sc", written))
    assert isinstance(entry, payload.Test)
    assert entry.sc == seconds


@pytest.mark.parametrize(
    "value",
    [
        "2021-12-20", "2021-12-20T08:00", "2021-12-20 08:00:00Z", "2021-12-20T24:00:00Z",
        "2021-12-20T08:60:00Z", "2021-12-20T08:00:60Z", "2021-02-30T08:00:00Z",
        "2021-12-20T08:00:00+01:60", "2021-12-20T08:00:00+1", "2021-12-20T08:00:00.Z", 1640000000,
    ],
)  # fmt: skip
def test_sample_times_that_are_not(value: object) -> None:
    refused(with_member("t", "sc", value))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", ""),
        ("1990", "1990"),
        ("1990-05", "1990-05"),
        ("1990-05-17", "1990-05-17"),
        ("1990-05-17T00:00:00", "1990-05-17"),
        ("1990-05-17T00:00:00.000Z", "1990-05-17"),
    ],
)
def test_birth_dates(written: str, read: str) -> None:
    holder, _ = accept(GOOD_PERSON | {"dob": written})
    assert holder.dob == read


@pytest.mark.parametrize(
    "value",
    [
        None, 1990, "90", "1990-", "1990-13", "1990-00", "1990-02-30", "1890", "1990-05-00",
        "1990-XX-XX", "unknown", " ", "1990-05-17T08:00:00", "1990-05-17T00:00:00+02:00",
    ],
)  # fmt: skip
def test_birth_dates_that_are_not(value: object) -> None:
    refused(GOOD_PERSON | {"dob": value})


@pytest.mark.parametrize("value", [None, 1.3, "2.0.0", "1.3", "1.3.0-rc", ""])
def test_schema_versions(value: object) -> None:
    refused(GOOD_PERSON | {"ver": value})


@pytest.mark.parametrize("name", [{"fnt": "LI"}, {"gnt": "MEI"}, {"fnt": "LI", "gnt": None}])
def test_people_with_one_name(name: dict[str, Any]) -> None:
    holder, _ = accept(GOOD_PERSON | {"nam": name})
    assert holder.fnt + holder.gnt in {"LI", "MEI"}


@pytest.mark.parametrize(
    "name",
    [
        None, {}, [], "LI", {"fn": "Li"}, {"fnt": ""}, {"fnt": "<<"}, {"fnt": "li"},
        {"fnt": "LI WANG"}, {"fnt": "LI", "gnt": "MEI1"}, {"fnt": "L" * 81}, {"fnt": 7},
        {"fnt": "LI", "fn": 7}, {"fnt": "LI", "gn": "x" * 81}, {"fnt": "LI\n"},
    ],
)  # fmt: skip
def test_names_that_are_not(name: object) -> None:
    refused(GOOD_PERSON | {"nam": name})


def test_names_in_nfc() -> None:
    holder, _ = accept(GOOD_PERSON | {"nam": {"fnt": "MUELLER", "fn": "Mu\u0308ller"}})
    assert holder.fn == "M\u00fcller"


ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), (1 << 64) - 1) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-300, 300) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    sorted({*ENTRIES["v"], *ENTRIES["t"], *ENTRIES["r"], *NAME, "nam", "dob", "ver", *ENTRIES})
)


@given(st.sampled_from(sorted(ENTRIES)), FIELDS, ITEMS)
def test_any_member_is_read_or_refused(group: str, name: str, value: object) -> None:
    good = with_member(group, "co", "LU")
    for item in (
        with_member(group, name, value),
        good | {name: value},
        good | {"nam": NAME | {name: value}},
    ):
        error: PeerError | None = None
        try:
            accept(item)
        except PeerError as caught:
            error = caught
        assert error is None or (error.reason, error.__context__) == (Reason.DCC_PAYLOAD, None)
