"""The stand-in for a health system, as a service and as a program."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guosuo_node.adapter.health_system import read_token
from guosuo_node.adapter.records import (
    read_record,
)
from guosuo_node.adapter.standin import READY, StandIn, main, start
from tests.support.adapters import (
    NOW,
    TOKEN,
    people,
    standing_in,
)
from tests.support.processes import Process


def request(
    url: str, body: object = None, *, token: str | None = TOKEN, raw: bytes | None = None
) -> tuple[int, Any]:
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    asked = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with standing_in() as address:
        yield address


def test_the_stand_in_answers_who_has_the_token(url: str) -> None:
    person = people()[0]
    asked = {"identification": person.identification}
    assert request(f"{url}/v1/health", token=None) == (200, {"status": "serving"})
    for wrong in (None, "", "wrong", TOKEN + "x", "ä"):
        token = None if wrong is None else wrong.encode().decode("latin-1")
        assert request(f"{url}/v1/identify", asked, token=token) == (401, None)
        assert request(f"{url}/v1/invented-people", token=token) == (401, None)
    status, answer = request(f"{url}/v1/identify", asked)
    assert (status, answer) == (200, {"found": True, "person": person.record.to_value()})


def test_the_stand_in_lists_people_and_records(url: str) -> None:
    person = people()[0]
    _, answer = request(f"{url}/v1/invented-people?limit=2")
    assert [p["identification"] for p in answer["people"]] == [
        p.identification for p in people()[:2]
    ]
    _, records = request(f"{url}/v1/records", {"person": person.record.person})
    assert [read_record(record) for record in records["records"]] == list(person.records)
    assert request(f"{url}/v1/records", {"person": "INV-999999"}) == (200, {"found": False})
    assert request(f"{url}/v1/invented-people?limit=x")[0] == 400


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"identification": 1}', b'{"identification": "a", "more": "b"}'],
)
def test_the_stand_in_refuses_other_questions(url: str, raw: bytes) -> None:
    assert request(f"{url}/v1/identify", raw=raw)[0] == 400


def test_the_stand_in_refuses_what_is_too_large(url: str) -> None:
    assert request(f"{url}/v1/identify", raw=b"x" * 5000)[0] == 413
    assert request(f"{url}/v1/other")[0] == 404


def test_the_stand_in_is_for_loopback_only() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.org", "::"):  # noqa: S104 - refused
        with pytest.raises(ValueError, match="loopback only"):
            asyncio.run(start(StandIn(people(), TOKEN).application(), host=host))


def test_the_program_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    file = tmp_path / "token"
    command = [sys.executable, "-m", "guosuo_node.adapter.standin", "--token-file", str(file)]
    with Process(
        [*command, "--people", "3", "--seed", "7", "--now", str(NOW)], logs=tmp_path
    ) as it:
        address = it.wait_for_line(f"{READY}(.*)")[1]
        assert address.startswith("http://127.0.0.1:")
        assert file.stat().st_mode & 0o777 == 0o600
        status, answer = request(f"{address}/v1/invented-people", token=read_token(file))
        assert status == 200
        assert answer["people"][0]["identification"] == people()[0].identification
        it.terminate()
    assert it.err.read_text(encoding="utf-8") == ""


def test_the_program_says_what_cannot_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    for arguments, advice in (
        (["--host", "0.0.0.0"], "loopback only"),  # noqa: S104 - refused
        (["--people", "0"], "from 1 to 29000 people"),
        (["--certificate", str(tmp_path / "none")], "No such file"),
    ):
        assert main(["--token-file", str(file), *arguments]) == 2
        assert advice in capsys.readouterr().err
    file.write_text("short", encoding="ascii")
    assert main(["--token-file", str(file)]) == 2
    assert "has no bearer token" in capsys.readouterr().err
