"""TLS between nodes, and between wallets and nodes: files, trust, credentials.

Each node has an authority of its own and one certificate below it, which serves on its
ports and is shown to other nodes:

    <folder>/authority.key   P-256, only to renew the certificate; may be kept elsewhere
    <folder>/authority.pem   what others pin
    <folder>/node.key        P-256, mode 0600
    <folder>/node.pem        localhost, 127.0.0.1, ::1 and the names given

There is no authority of the federation: a node trusts a member's authority because its
operator put it (from the charter's endpoints or by hand) into the folder of peers,
`<name>.pem` with the member's region code or the witness's name. So a member's authority
speaks for that member only, whatever its certificates say. Keys are P-256: the TLS in
gRPC takes no Ed25519. They are drawn from the operating system by `cryptography`.

An authority of a province's own can take the place of the one made here: same files.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guosuo.errors import CallerError, Reason
from guosuo.host.files import PRIVATE, PUBLIC, write_atomically

AUTHORITY_LIFE: Final = dt.timedelta(days=3650)
NODE_LIFE: Final = dt.timedelta(days=397)
EARLY: Final = dt.timedelta(hours=1)
"""Certificates are valid from this long before they are made: clocks differ."""

MAX_PEERS: Final = 1024
MAX_PEM: Final = 16 << 10
_CACHED: Final = 4096
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_PEER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}", re.ASCII)
_HOST: Final = re.compile(r"(?:[0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """A node's own key and certificate (PEM). The repr shows neither."""

    key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    authority: bytes = field(repr=False)


def make_authority(folder: Path, name: str, now: dt.datetime) -> None:
    """A development authority for the node of that name; `CallerError(STORE_EXISTS)`.

    `now` is aware.
    """
    if (folder / "authority.pem").exists() or (folder / "authority.key").exists():
        raise CallerError(Reason.STORE_EXISTS, "this node has an authority already")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"{name} authority")
    certificate = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_atomically(folder / "authority.key", _private(key), mode=PRIVATE)
    write_atomically(folder / "authority.pem", _pem(certificate), mode=PUBLIC)


def make_certificate(folder: Path, name: str, hosts: Iterable[str], now: dt.datetime) -> None:
    """A new key and certificate under the folder's authority; replaces the one before.

    `hosts`: further names and addresses the node is reached by. `CallerError(ARGUMENT)`
    for one that is neither, `CallerError(STORE_MISSING)` without the authority's key.
    """
    authority, signer = _load_authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    names = [_general_name(host) for host in dict.fromkeys([*_LOCAL, *hosts])]
    certificate = (
        _builder(authority.subject, _subject(name), key.public_key(), now, NODE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    write_atomically(folder / "node.key", _private(key), mode=PRIVATE)
    write_atomically(folder / "node.pem", _pem(certificate), mode=PUBLIC)


def load_identity(folder: Path) -> Identity:
    """Key and certificate of a node.

    `CallerError(STORE_MISSING)` without them, `(STORE_MODE)` if others can read the key,
    `(STORE_ALTERED)` if they do not belong together.
    """
    key = _read_private(folder / "node.key")
    certificate = _read(folder / "node.pem")
    try:
        public = serialization.load_pem_private_key(key, password=None).public_key()
        shown = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        raise CallerError(Reason.STORE_ALTERED, "the TLS files are damaged") from None
    if _public(public) != _public(shown):
        # A crash between the two files of a renewal: make the certificate again.
        raise CallerError(Reason.STORE_ALTERED, "the TLS key is not the certificate's")
    return Identity(key, certificate, _read(folder / "authority.pem"))


def expires(identity: Identity) -> dt.datetime:
    """When the certificate ends (aware, UTC)."""
    return x509.load_pem_x509_certificate(identity.certificate).not_valid_after_utc


def hosts_of(identity: Identity) -> tuple[str, ...]:
    """Names and addresses that the certificate is for, beside those of this machine."""
    found = x509.load_pem_x509_certificate(identity.certificate).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    texts = [str(name.value) for name in names]
    return tuple(text for text in texts if text not in _LOCAL)


def stamps(*folders: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the certificates and keys there: other ones, other files."""
    found = []
    for folder in folders:
        for path in sorted([*folder.glob("*.pem"), *folder.glob("*.key")]):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return tuple(found)


class PeerTrust:
    """Which certificates belong to which member or witness."""

    def __init__(self, authorities: dict[str, bytes]) -> None:
        """`authorities`: PEM of the authority of each peer, by region code or witness name.

        `CallerError(ARGUMENT)` for two peers with one key: their calls could not be told
        apart; `(STORE_ALTERED)` for what is no certificate.
        """
        if len(authorities) > MAX_PEERS or any(len(pem) > MAX_PEM for pem in authorities.values()):
            raise CallerError(Reason.ARGUMENT, "too many peers, or too long a certificate")
        try:
            self._authorities = {
                name: x509.load_pem_x509_certificate(pem) for name, pem in authorities.items()
            }
        except ValueError:
            raise CallerError(Reason.STORE_ALTERED, "a peer's authority is damaged") from None
        keys = {_public(authority.public_key()) for authority in self._authorities.values()}
        if len(keys) != len(self._authorities):
            raise CallerError(Reason.ARGUMENT, "two peers have the same authority")
        self._pem = dict(authorities)
        self._known: OrderedDict[bytes, str | None] = OrderedDict()

    @classmethod
    def load(cls, folder: Path) -> PeerTrust:
        """From `<folder>/<name>.pem`; no folder is no peer."""
        found = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        return cls({path.stem: _read(path) for path in found if _PEER.fullmatch(path.stem)})

    def names(self) -> tuple[str, ...]:
        """The peers, sorted."""
        return tuple(sorted(self._pem))

    def authority(self, name: str) -> bytes:
        """PEM of a peer's authority; `CallerError(STORE_MISSING)`."""
        if name not in self._pem:
            raise CallerError(Reason.STORE_MISSING, "no authority of that peer is known")
        return self._pem[name]

    def all(self) -> bytes:
        """PEM of all authorities, for a port that takes clients of all peers."""
        return b"".join(pem.rstrip() + b"\n" for _, pem in sorted(self._pem.items()))

    def peer_of(self, certificate: bytes) -> str | None:
        """The peer whose authority issued this certificate (PEM), or None.

        TLS has checked possession of the key, validity and the chain to one of `all()`;
        which of them it was it does not say.
        """
        try:
            shown = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            return None
        print_ = shown.fingerprint(hashes.SHA256())
        if print_ in self._known:
            self._known.move_to_end(print_)
            return self._known[print_]
        peer = next((n for n, a in self._authorities.items() if _issued(shown, a)), None)
        self._known[print_] = peer
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return peer


class ServerTls:
    """What the ports of a running node show and trust; both can change while it runs.

    A renewed certificate or a new member counts from the next handshake on; connections
    that are open stay as they are until they end.
    """

    def __init__(self, identity: Identity, trust: PeerTrust) -> None:
        """What counts from the start."""
        self._now = (identity, trust)

    def change(self, identity: Identity, trust: PeerTrust) -> None:
        """What counts from now on."""
        self._now = (identity, trust)

    def peer_of(self, certificate: bytes) -> str | None:
        """As `PeerTrust.peer_of`, by what counts now: a member that left is none."""
        return self._now[1].peer_of(certificate)

    def public(self) -> grpc.ServerCredentials:
        """For a port that asks for no client certificate."""
        return self._credentials(peers=False)

    def peers(self) -> grpc.ServerCredentials:
        """For a port that only peers get into."""
        return self._credentials(peers=True)

    def _credentials(self, *, peers: bool) -> grpc.ServerCredentials:
        told = self._now

        # gRPC asks in each handshake, on a thread of its own: no lock, nothing raised. It
        # must hear None unless something changed: making its TLS context anew for each
        # connection has been seen to crash it under garbage (grpcio 1.85.3).
        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal told
            now = self._now
            if now is told:
                return None
            told = now
            return _configuration(*now, peers=peers)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(*told, peers=peers),
            changed,  # type: ignore[arg-type]  # the stubs do not know of None
            require_client_authentication=peers,
        )


def _configuration(
    identity: Identity, trust: PeerTrust, *, peers: bool
) -> grpc.ServerCertificateConfiguration:
    # With no peer known the node's own authority stands in: TLS needs one, and it is none
    # of `trust`.
    roots = (trust.all() or identity.authority) if peers else None
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], roots)


def client_credentials(
    authority: bytes, identity: Identity | None = None
) -> grpc.ChannelCredentials:
    """To connect to the one peer whose authority that is; with `identity` as a peer."""
    if identity is None:
        return grpc.ssl_channel_credentials(root_certificates=authority)
    return grpc.ssl_channel_credentials(
        root_certificates=authority,
        private_key=identity.key,
        certificate_chain=identity.certificate,
    )


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Guosuo node"),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
        ]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        if len(host) > 253 or _HOST.fullmatch(host) is None:  # noqa: PLR2004 - RFC 1035
            raise CallerError(Reason.ARGUMENT, "neither a host name nor an address") from None
        return x509.DNSName(host)
    return x509.IPAddress(address)


def _load_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate(_read(folder / "authority.pem"))
        key = serialization.load_pem_private_key(
            _read_private(folder / "authority.key"), password=None
        )
    except ValueError:
        raise CallerError(Reason.STORE_ALTERED, "the TLS files are damaged") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CallerError(Reason.STORE_ALTERED, "the authority's key is of another kind")
    return authority, key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CallerError(Reason.STORE_MISSING, "a TLS file is missing") from None


def _read_private(path: Path) -> bytes:
    data = _read(path)
    if path.stat().st_mode & 0o077:
        raise CallerError(Reason.STORE_MODE, "others can read a TLS key")
    return data


def _issued(shown: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        shown.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CallerError(Reason.STORE_ALTERED, "TLS keys are P-256 here")
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
