"""TLS files, their modes, and whose certificate is whose."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guosuo.errors import CallerError, Reason
from guosuo.pb.federation_pb2 import GetCharterRequest, SubmitReportRequest, WatchRequest
from guosuo.pb.federation_pb2_grpc import FederationStub
from guosuo_node.host import tls
from tests.node.rpc_stage import AWAY, HOME, NOW, Keys, end_of, staged


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("tls"))


def made(folder: Path, name: str = HOME, *hosts: str) -> Path:
    tls.make_authority(folder, name, NOW)
    tls.make_certificate(folder, name, hosts, NOW)
    return folder


def test_files_and_their_modes(tmp_path: Path) -> None:
    folder = made(tmp_path, HOME, "node.example", "192.0.2.7")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {
        "authority.key": 0o600,
        "authority.pem": 0o644,
        "node.key": 0o600,
        "node.pem": 0o644,
    }
    shown = x509.load_pem_x509_certificate((folder / "node.pem").read_bytes())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "node.example"}
    addresses = {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "::1", "192.0.2.7"}
    assert shown.not_valid_before_utc == NOW - tls.EARLY
    assert tls.expires(tls.load_identity(folder)) == NOW + tls.NODE_LIFE
    assert isinstance(shown.public_key(), ec.EllipticCurvePublicKey)
    basic = shown.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not basic.ca


def test_an_authority_is_made_once_and_certificates_are_renewed(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with pytest.raises(CallerError) as caught:
        tls.make_authority(folder, HOME, NOW)
    assert caught.value.reason is Reason.STORE_EXISTS
    before = tls.load_identity(folder)
    tls.make_certificate(folder, HOME, (), NOW + dt.timedelta(days=300))
    after = tls.load_identity(folder)
    assert after.key != before.key
    trust = tls.PeerTrust({HOME: before.authority})
    assert trust.peer_of(before.certificate) == trust.peer_of(after.certificate) == HOME


def test_what_is_wrong_with_the_files_is_told(tmp_path: Path) -> None:
    def reason() -> Reason:
        with pytest.raises(CallerError) as caught:
            tls.load_identity(tmp_path)
        return caught.value.reason

    assert reason() is Reason.STORE_MISSING
    made(tmp_path)
    key, certificate = tmp_path / "node.key", tmp_path / "node.pem"
    key.chmod(0o640)
    assert reason() is Reason.STORE_MODE
    key.chmod(0o600)
    good = certificate.read_bytes()
    certificate.write_bytes(b"no certificate")
    assert reason() is Reason.STORE_ALTERED
    certificate.write_bytes(good)
    os.truncate(key, 40)
    assert reason() is Reason.STORE_ALTERED
    # A crash between key and certificate of a renewal.
    key.write_bytes((tmp_path / "authority.key").read_bytes())
    assert reason() is Reason.STORE_ALTERED
    tls.make_certificate(tmp_path, HOME, (), NOW)
    tls.load_identity(tmp_path)
    (tmp_path / "authority.key").unlink()
    with pytest.raises(CallerError) as caught:
        tls.make_certificate(tmp_path, HOME, (), NOW)
    assert caught.value.reason is Reason.STORE_MISSING


@pytest.mark.parametrize("host", ["", "a b", "x" * 64, "a..b", "a/b", "*.example", "1.2.3.4.5/8\n"])
def test_hosts_are_names_or_addresses(tmp_path: Path, host: str) -> None:
    tls.make_authority(tmp_path, HOME, NOW)
    with pytest.raises(CallerError) as caught:
        tls.make_certificate(tmp_path, HOME, [host], NOW)
    assert caught.value.reason is Reason.ARGUMENT


def test_an_authority_speaks_for_its_own_member_only(keys: Keys, tmp_path: Path) -> None:
    tls.make_authority(tmp_path, AWAY, NOW)  # same name, another key
    tls.make_certificate(tmp_path, AWAY, (), NOW)
    forged = tls.load_identity(tmp_path)
    trust = tls.PeerTrust({HOME: keys.home.authority, AWAY: keys.away.authority})
    assert trust.names() == (HOME, AWAY)
    assert trust.peer_of(keys.home.certificate) == HOME
    assert trust.peer_of(keys.away.certificate) == AWAY
    assert trust.peer_of(keys.stranger.certificate) is None
    assert trust.peer_of(forged.certificate) is None
    assert trust.peer_of(b"nothing") is None
    # The authority that HOME pinned may issue in any name: it stays HOME.
    made(tmp_path / "liar", AWAY)
    liar = tls.load_identity(tmp_path / "liar")
    assert tls.PeerTrust({HOME: liar.authority}).peer_of(liar.certificate) == HOME


def test_peers_are_read_from_a_folder(keys: Keys, tmp_path: Path) -> None:
    assert tls.PeerTrust.load(tmp_path / "none").names() == ()
    (tmp_path / f"{AWAY}.pem").write_bytes(keys.away.authority)
    (tmp_path / ".hidden.pem").write_bytes(b"rubbish")
    (tmp_path / "notes.txt").write_text("text")
    trust = tls.PeerTrust.load(tmp_path)
    assert trust.names() == (AWAY,)
    assert trust.authority(AWAY) == keys.away.authority
    with pytest.raises(CallerError):
        trust.authority(HOME)
    (tmp_path / "again.pem").write_bytes(keys.away.authority)
    with pytest.raises(CallerError) as caught:
        tls.PeerTrust.load(tmp_path)
    assert caught.value.reason is Reason.ARGUMENT
    (tmp_path / "again.pem").write_bytes(b"rubbish")
    with pytest.raises(CallerError) as caught:
        tls.PeerTrust.load(tmp_path)
    assert caught.value.reason is Reason.STORE_ALTERED


def test_the_memory_of_certificates_is_bounded(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_CACHED", 4)
    trust = tls.PeerTrust({AWAY: keys.away.authority})
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    for serial in range(1, 10):
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), serial)
            .not_valid_before(NOW)
            .not_valid_after(NOW + dt.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        assert trust.peer_of(pem) is None
    assert len(trust._known) == 4
    assert trust.peer_of(keys.away.certificate) == AWAY


def test_nothing_of_an_identity_is_shown(keys: Keys) -> None:
    assert repr(keys.home) == "Identity()"


def test_a_client_takes_no_other_node_for_its_peer(keys: Keys) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), staged(keys) as stage:
            wrong = tls.client_credentials(keys.away.authority)
            address = f"127.0.0.1:{stage.server.public_port}"
            async with grpc.aio.secure_channel(address, wrong) as channel:
                end = await end_of(FederationStub(channel).GetCharter(GetCharterRequest()))
                assert end.code is grpc.StatusCode.UNAVAILABLE
            assert stage.paper.asked == []

    asyncio.run(run())


def test_expired_certificates_get_in_nowhere(keys: Keys, tmp_path: Path) -> None:
    tls.make_authority(tmp_path, AWAY, NOW - dt.timedelta(days=500))
    tls.make_certificate(tmp_path, AWAY, (), NOW - dt.timedelta(days=500))
    old = tls.load_identity(tmp_path)
    keys_then = Keys.__new__(Keys)
    keys_then.home, keys_then.away, keys_then.stranger = keys.home, old, keys.stranger
    keys_then.trust = tls.PeerTrust({AWAY: old.authority})

    async def run() -> None:
        async with asyncio.timeout(30), staged(keys_then) as stage, stage.peer() as channel:
            end = await end_of(FederationStub(channel).GetCharter(GetCharterRequest()))
            assert end.code is grpc.StatusCode.UNAVAILABLE

    asyncio.run(run())


def test_a_node_without_peers_lets_nobody_in(keys: Keys) -> None:
    alone = Keys.__new__(Keys)
    alone.home, alone.away, alone.stranger = keys.home, keys.away, keys.stranger
    alone.trust = tls.PeerTrust({})

    async def run() -> None:
        async with asyncio.timeout(30), staged(alone) as stage:
            for identity in (keys.away, keys.home):
                async with stage.peer(identity) as channel:
                    stub = FederationStub(channel)
                    call = stub.Watch(WatchRequest())
                    end = await end_of(anext(aiter(call)))
                    assert end.code in {
                        grpc.StatusCode.UNAVAILABLE,
                        grpc.StatusCode.PERMISSION_DENIED,
                    }
            assert stage.paper.asked == []

    asyncio.run(run())


def test_certificates_and_members_change_while_the_node_runs(keys: Keys, tmp_path: Path) -> None:
    """A renewed certificate, a new authority, a member that joins and one that leaves."""
    made(tmp_path, HOME)
    renewed = tls.load_identity(tmp_path)

    async def run() -> None:
        async with asyncio.timeout(30), staged(keys) as stage:

            async def ask(authority: bytes, identity: tls.Identity | None) -> bool:
                port = stage.server.public_port if identity is None else stage.server.peer_port
                credentials = tls.client_credentials(authority, identity)
                options = [("grpc.use_local_subchannel_pool", 1)]
                async with grpc.aio.secure_channel(
                    f"localhost:{port}", credentials, options
                ) as channel:
                    try:
                        await FederationStub(channel).GetCharter(GetCharterRequest())
                    except grpc.aio.AioRpcError as error:
                        assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017
                        return False
                    return True

            old, new = keys.home.authority, renewed.authority
            assert await ask(old, None)
            assert not await ask(new, None)
            assert await ask(old, keys.away)
            assert not await ask(old, keys.stranger)
            async with stage.peer() as before:
                stub = FederationStub(before)
                await stub.SubmitReport(SubmitReportRequest(report=b"r"))
                trust = tls.PeerTrust({"510000": keys.stranger.authority})
                stage.server_tls.change(renewed, trust)
                # The connection is still there, its peer is none any more.
                end = await end_of(stub.SubmitReport(SubmitReportRequest(report=b"r")))
                assert end.reason == "peer-unknown"
            assert await ask(new, None)
            assert not await ask(old, None)
            assert await ask(new, keys.stranger)
            assert not await ask(new, keys.away)

    asyncio.run(run())


def test_grpc_hears_of_certificates_only_when_they_change(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling it the same again in each handshake crashed it under garbage."""
    told: list[Callable[[], object]] = []

    def capture(first: object, changed: Callable[[], object], **_: object) -> object:
        told.append(changed)
        return first

    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", capture)
    server_tls = tls.ServerTls(keys.home, keys.trust)
    server_tls.public()
    server_tls.peers()
    for changed in told:
        assert [changed() for _ in range(3)] == [None, None, None]
    server_tls.change(keys.home, tls.PeerTrust({}))
    for changed in told:
        assert [changed() is None for _ in range(3)] == [False, True, True]
