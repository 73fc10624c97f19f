"""What operators type: status, watch, orders, rotation, backup, against nodes that run."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from guosuo.federation.judge import Ruling
from guosuo.host.vault import KeyFile
from guosuo.roles.auditor import Auditor
from guosuo.roles.verdict import Verdict
from guosuo_node.adapter.counter import CounterCheck
from guosuo_node.host import tls
from guosuo_node.host.settings import Home, Settings
from tests.cli.stage import TESTED, Said, guosuo
from tests.support.citizens import Citizen, Copy, Gate, crossing
from tests.support.federation import Cluster
from tests.support.world import REGIONS, seeded

pytestmark = pytest.mark.xdist_group("federation")

A, B = REGIONS[:2]
EPOCH = 30


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cli")
    with Cluster(folder, regions=2, witnesses=2, epoch_seconds=EPOCH) as made:
        made.wait_for("list-published")
        yield made


def answer(*arguments: str | Path) -> dict[str, Any]:
    said = guosuo(*arguments, "--json")
    assert (said.code, said.err) == (0, ""), said
    return said.json


def home(federation: Cluster, name: str) -> Path:
    return federation.nodes[name].home.path


# --- looking ----------------------------------------------------------------------------


def test_status_says_who_leads_and_how_every_region_stands(federation: Cluster) -> None:
    found = answer("node", "status", home(federation, A))
    assert found["running"] is True
    assert (found["name"], found["leader"], found["waiting"]) == (A, True, "")
    assert found["federation"] == federation.federation.id.hex()
    assert [row["region"] for row in found["regions"]] == [A, B]
    assert {row["judgement"] for row in found["regions"]} == {"admit"}
    said = guosuo("node", "status", home(federation, A))
    assert said.code == 0
    assert re.search(rf"{A}, version .*: leads; epoch \d+", said.out)
    assert f"Region {B}" in said.out


def test_a_witness_says_what_it_is(federation: Cluster) -> None:
    said = guosuo("node", "status", home(federation, "alpha"))
    assert said.code == 0
    assert "stand-alone witness" in said.out
    refused = guosuo("node", "rotate", home(federation, "alpha"), "epoch")
    assert refused.code == 2
    assert "witness has no epochs" in refused.err


def test_members_of_a_charter_and_of_a_node(federation: Cluster, tmp_path: Path) -> None:
    charter = tmp_path / "charter.cbor"
    charter.write_bytes(federation.charter)
    found = answer("federation", "members", charter)
    assert found == answer("federation", "members", home(federation, B))
    assert [member["region"] for member in found["members"]] == [A, B]
    assert [one["name"] for one in found["witnesses"]] == ["alpha", "beta"]
    assert found["cosignatures"] == federation.federation.cosignatures
    said = guosuo("federation", "members", charter)
    assert said.code == 0
    assert f"Region {A}" in said.out
    nothing = guosuo("federation", "members", tmp_path / "none")
    assert nothing.code == 2
    assert "name a charter" in nothing.err


def test_watch_looks_once_by_directory_and_by_address(federation: Cluster) -> None:
    node = federation.nodes[B]
    found = answer("federation", "watch", node.home.path, "--once")
    assert found["node"] == B
    by_address = ("--node", node.public, "--ca", node.home.tls / "authority.pem")
    again = answer("federation", "watch", *by_address, "--once")
    assert [row["region"] for row in again["regions"]] == [A, B]
    said = guosuo("federation", "watch", *by_address, "--once")
    assert node.public in said.out
    for wrong in ((), (node.home.path, *by_address), ("--node", node.public)):
        assert guosuo("federation", "watch", *wrong, "--once").code == 2


def test_watch_is_live_and_ctrl_c_gives_the_terminal_back(federation: Cluster) -> None:
    command = [sys.executable, "-m", "guosuo", "federation", "watch"]
    ours, theirs = pty.openpty()
    running = subprocess.Popen(  # noqa: S603 - our own command
        [*command, str(home(federation, A)), "--every", "0.2"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = _until(ours, lambda text: text.count(f"Region {B}") > 2)
        assert "\x1b[?25l" in shown  # the cursor is hidden …
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        shown += _until(ours, lambda text: "interrupted" in text)
        assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # … and shown again
        assert "Traceback" not in shown
    finally:
        running.kill()
        os.close(ours)


def _until(terminal: int, enough: Callable[[str], bool]) -> str:
    text, end = "", time.monotonic() + 30
    while not enough(text):
        assert time.monotonic() < end, text
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65_536).decode(errors="replace")
            except OSError:  # Linux: the other side is closed
                break
    return text


def test_a_balancer_learns_who_takes_enrolments(federation: Cluster) -> None:
    node = federation.nodes[A]
    trust = grpc.ssl_channel_credentials(node.authority)
    with grpc.secure_channel(node.public, trust) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="guosuo.v1.Enrolment")
        serving = health_pb2.HealthCheckResponse.SERVING
        federation.wait(lambda: stub.Check(request).status == serving, 10, "it serves")


# --- policies ---------------------------------------------------------------------------


def test_a_policy_of_the_short_form_is_published_and_then_its_next_version(
    federation: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({**TESTED, "policy": "station"}))
    copy = Copy(federation, "of-policies")
    for version in (1, 2):
        found = answer("node", "policy", home(federation, B), file)
        assert (found["policy"], found["version"]) == ("station", version)

        def published(version: int = version) -> bool:
            copy.refresh()
            return ("station", version) in copy.mirror.view.region(B).policies

        federation.wait(published, 60, f"version {version} is in the log")
    file.write_text("{}")
    refused = guosuo("node", "policy", home(federation, B), file)
    assert refused.code == 2
    assert "policy, valid_days and accepts" in refused.err


# --- counters and officers --------------------------------------------------------------


def test_an_officer_finds_the_slots_of_a_person_and_orders(federation: Cluster) -> None:
    copy = Copy(federation, "of-officer")
    citizen = Citizen(federation, copy, A)
    held = citizen.enrol()
    person = citizen.person.identification
    assert answer("node", "find-slots", home(federation, A), "--person", person) == {
        "slots": [held.slot]
    }
    stranger = federation.person()
    said = guosuo("node", "find-slots", home(federation, A), "--person", stranger.identification)
    assert (said.code, said.out) == (0, "This person has no slot.\n")
    ordered = answer(
        *("node", "order", home(federation, A), "suspend", str(held.slot)),
        *("--reason", "infection"),
    )
    assert (ordered["action"], ordered["slots"]) == ("suspend", [held.slot])
    assert len(bytes.fromhex(ordered["salt"])) == 32
    federation.wait_judged(B, A, ordered["epoch"])
    copy.refresh()
    assert held.slot in copy.mirror.view.region(A).suspended
    # Another region's slots, or none of its own, are refused in words.
    wrong = guosuo(
        "node", "order", home(federation, B), "suspend", str(held.slot), "--reason", "infection"
    )
    assert wrong.code == 2
    assert "refused: order" in wrong.err


def test_a_counter_identifies_somebody_for_minutes(tmp_path: Path) -> None:
    place = tmp_path / "node"
    made = guosuo(
        *("node", "init", place, "--name", A, "--listen", "127.0.0.1:7001"),
        *("--public-listen", "127.0.0.1:7002"),
    )
    assert made.code == 0, made
    who = ("--family", "LI", "--given", "YI", "--born", "1990-02-03", "--record", "G-1")
    found = answer("node", "identify", place, *who)
    settings = Settings.load(Home(place))
    check = CounterCheck(A, [bytes.fromhex(k) for k in settings.adapter_settings["counter_keys"]])
    now = int(time.time())
    identified = asyncio.run(check.identify(found["identification"], now=now))
    assert identified.record == b"G-1"
    assert (identified.person.fnt, identified.person.dob) == ("LI", "1990-02-03")
    assert 500 < found["expires"] - now <= 600
    wrong = guosuo("node", "identify", place, *who[:-1], "G" * 65)
    assert wrong.code in {2, 3}
    assert "G" * 65 not in wrong.err
    (place / "private" / "counter.vault").unlink()
    gone = guosuo("node", "identify", place, *who)
    assert gone.code == 2
    assert "made where it is kept" in gone.err


# --- rotation ---------------------------------------------------------------------------


def test_after_a_theft_everybody_passes_without_enrolling_anew(federation: Cluster) -> None:
    copy = Copy(federation, "of-holder")
    citizen = Citizen(federation, copy, A)
    held = citizen.enrol()
    start = federation.epoch + 1
    federation.wait_part(start, 5)
    found = answer("node", "rotate", home(federation, A), "epoch")
    assert found["epoch"] >= start
    assert found["revision"] == 1
    federation.wait_for("list-published", [B], epoch=found["epoch"], revision=1)
    outcome = crossing(citizen, Gate(federation, B))
    assert outcome.verdict is Verdict.ACCEPT
    assert citizen.slots == [(A, held.slot)]
    # Whoever follows the public logs sees the stolen key on no list that counts.
    auditor = Auditor(copy.mirror.view)
    auditor.follow(A, copy.directory.fetch)
    judged = auditor.judge.judged(A, found["epoch"])
    assert judged.ruling in {Ruling.ADMIT, Ruling.LATE}
    lists = copy.mirror.view.region(B).lists
    end = time.monotonic() + 30  # published is logged before enough witnesses made it public
    while not any(entry.lowest is not None for entry in lists.values()):
        assert time.monotonic() < end
        time.sleep(0.3)
        copy.refresh()


def test_a_new_certificate_counts_without_a_restart(federation: Cluster) -> None:
    node = federation.nodes[B]
    host, port = node.public.split(":")

    def shown() -> str:
        pem = ssl.get_server_certificate((host, int(port)))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    before = shown()
    found = answer("node", "rotate", node.home.path, "tls", "--host", "node.example")
    assert found["certificate_ends"] > time.time() + 390 * 86_400
    federation.wait(lambda: shown() != before, 20, "the new certificate is shown")
    federation.wait_for("tls-changed", [B])
    # Both sides still know each other: the next epoch comes and is cosigned.
    federation.wait_judged(A, B, federation.epoch + 1)
    assert answer("node", "status", node.home.path)["leader"] is True
    again = guosuo("node", "rotate", node.home.path, "tls")
    assert again.code == 0
    # The names of the one before stay.
    assert tls.hosts_of(tls.load_identity(node.home.tls)) == ("node.example",)


def test_the_next_epoch_is_turned_when_asked(federation: Cluster) -> None:
    federation.wait_part(federation.epoch + 1, 3)
    found = answer("node", "turn-epoch", home(federation, A))
    assert found == {"epoch": federation.epoch + 1}
    again = guosuo("node", "turn-epoch", home(federation, A))
    assert again.code == 2
    assert "turned already" in again.err
    federation.wait_judged(B, A, found["epoch"])
    assert list((home(federation, A) / "requests").iterdir()) == []


# --- backup, and a node that is down; last, since they stop one -------------------------


def test_a_backup_made_while_it_runs_is_put_back_older_than_the_log(
    federation: Cluster, tmp_path: Path
) -> None:
    node, key = federation.nodes[A], tmp_path / "backup.key"
    KeyFile.create(key, seeded(3))
    copy = Copy(federation, "of-backup")
    citizen = Citizen(federation, copy, A)
    citizen.enrol()
    federation.wait_judged(B, A, federation.epoch + 1)
    file = tmp_path / "a.backup"
    made = answer("node", "backup", node.home.path, file, "--key-file", key)
    assert made["name"] == A
    later = Citizen(federation, copy, A)
    later.enrol()
    federation.wait_judged(B, A, federation.epoch + 2)
    # Down: the status comes from the store, and says how to go on.
    node.kill()
    said = guosuo("node", "status", node.home.path, "--json")
    assert said.code == 1
    assert said.json["running"] is False
    assert said.json["store"]["entries"] > made["entries"]
    for command in (("rotate", node.home.path, "epoch"), ("turn-epoch", node.home.path)):
        down = guosuo("node", *command)
        assert down.code == 2
        assert "cannot be reached" in down.err
    # The old one never runs again.
    shutil.rmtree(node.home.path)
    back = answer("node", "restore", file, node.home.path, "--key-file", key)
    assert back == made
    node.start()
    federation.wait_for("ready", [A])
    federation.wait_judged(B, A, federation.epoch + 1, seconds=90)
    assert answer("node", "status", node.home.path)["leader"] is True
    assert not any(line["event"] == "forked" for line in node.said())
    assert not node.has_said("leading-ended")
    # Who was in the backup passes; who was not enrols anew.
    assert crossing(citizen, Gate(federation, B)).verdict is Verdict.ACCEPT


def test_a_directory_of_nothing_is_refused_by_every_command(tmp_path: Path) -> None:
    def fails(*arguments: str | Path) -> Said:
        said = guosuo(*arguments)
        assert said.code == 2, said
        assert "Traceback" not in said.err
        assert len(said.err.strip().splitlines()) == 1
        return said

    for command in ("status", "turn-epoch"):
        assert "guosuo node init" in fails("node", command, tmp_path).err
    fails("node", "rotate", tmp_path, "tls")
    fails("node", "backup", tmp_path, tmp_path / "x", "--key-file", tmp_path / "k")
    fails("node", "restore", tmp_path / "x", tmp_path / "y", "--key-file", tmp_path / "k")
    fails("node", "find-slots", tmp_path, "--person", "x")
    fails("node", "order", tmp_path, "suspend", "1", "--reason", "infection")
    said = guosuo("node", "status", tmp_path, "--json")
    assert json.loads(said.out)["error"]["exit_code"] == 2
