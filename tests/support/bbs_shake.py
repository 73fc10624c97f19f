"""The SHA-256 fixtures of BBS rewritten for SHAKE-256, in the layout of the published ones.

The values come from this library on one engine; `test_bbs` holds some of them against
published ones, and the self-test runs them on another engine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from guosuo.bbs.proof import proof_gen
from guosuo.bbs.signature import (
    Signature,
    blind_sum,
    calculate_domain,
    key_gen,
    sign,
    sk_to_pk,
)
from guosuo.curve import Engine
from guosuo.suite import Interface, Suite
from tests.support.bbs import SEED, mocked

Fixture = dict[str, Any]


class ShakeFixtures:
    """Makes fixtures from those of the other suite under `source`."""

    def __init__(self, source: Path, engine: Engine) -> None:
        self.source = source
        self.suite = Suite.shake256(engine)
        self.api = Interface.draft(self.suite)
        pair = self.load("keypair")
        material, info = (bytes.fromhex(pair[n]) for n in ("keyMaterial", "keyInfo"))
        self.secret = key_gen(self.suite, material, info, self.api.api_id + b"KEYGEN_DST_")
        self.public = sk_to_pk(self.suite, self.secret)
        self.signatures: dict[str, Signature] = {}
        """By the octets of the other suite's signature."""
        self.traces: dict[str, Fixture] = {}
        """By the same: what a signature fixture traces."""
        self.proofs: dict[str, tuple[bytes, Fixture]] = {}
        """By the first octets of the other suite's proof: the proof, its trace."""

    def load(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((self.source / f"{name}.json").read_text())

    def all(self) -> dict[str, Fixture]:
        """All fixtures by name: parts, ten signatures, fifteen proofs."""
        found = self.parts()
        signatures = {
            f"signature{i:03}": self.load(f"signature/signature{i:03}") for i in range(1, 11)
        }
        proofs = {f"proof{i:03}": self.load(f"proof/proof{i:03}") for i in range(1, 16)}
        # Valid ones first: the others are made of them.
        order = sorted(signatures.items(), key=lambda item: not item[1]["result"]["valid"])
        found |= {name: self.signature(fixture) for name, fixture in order}
        order = sorted(proofs.items(), key=lambda item: not item[1]["result"]["valid"])
        found |= {name: self.proof(fixture) for name, fixture in order}
        return found

    def parts(self) -> dict[str, Fixture]:
        api, suite = self.api, self.suite
        pair = self.load("keypair")
        pair["keyDst"] = (api.api_id + b"KEYGEN_DST_").hex()
        pair["keyPair"] = {
            "secretKey": self.secret.encode().hex(),
            "publicKey": self.public.encode().hex(),
        }
        q, *generators = [point.encode().hex() for point in api.generators(11)]
        table = self.load("MapMessageToScalarAsHash")
        table["dst"] = (api.api_id + b"MAP_MSG_TO_SCALAR_AS_HASH_").hex()
        for case in table["cases"]:
            scalar = api.message_to_scalar(bytes.fromhex(case["message"]))
            case["scalar"] = scalar.encode().hex()
        h2s = self.load("h2s")
        h2s["dst"] = (api.api_id + b"H2S_").hex()
        h2s["scalar"] = api.hash_to_scalar(bytes.fromhex(h2s["message"])).encode().hex()
        return {
            "keypair": pair,
            "generators": {"P1": api.p1().encode().hex(), "Q1": q, "MsgGenerators": generators},
            "map": table,
            "h2s": h2s,
            "mocked": {
                "caseName": "mocked random scalars",
                "seed": SEED.hex(),
                "dst": (api.api_id + b"MOCK_RANDOM_SCALARS_DST_").hex(),
                "count": 4,
                "mockedScalars": [scalar.encode().hex() for scalar in mocked(suite, 4)],
            },
        }

    def signature(self, fixture: Fixture) -> Fixture:
        pair, old = fixture["signerKeyPair"], fixture["signature"]
        right_key = pair["publicKey"] == self.load("keypair")["keyPair"]["publicKey"]
        public = self.public if right_key else self.public + self.public
        if fixture["result"]["valid"]:
            header, messages = self._inputs(fixture)
            self.signatures[old] = sign(self.suite, self.secret, public, header, messages)
            b, domain = self._signed(header, messages)
            self.traces[old] = {"B": b, "domain": domain}
        pair = {"secretKey": self.secret.encode().hex(), "publicKey": public.encode().hex()}
        return fixture | {
            "signerKeyPair": pair,
            "signature": self.signatures[old].encode().hex(),
            "trace": self.traces[old],
        }

    def proof(self, fixture: Fixture) -> Fixture:
        old, key = fixture["signature"], fixture["proof"][:200]
        right_key = fixture["signerPublicKey"] == self.load("keypair")["keyPair"]["publicKey"]
        public = self.public if right_key else self.public + self.public
        if fixture["result"]["valid"]:
            proof, trace = self._proof(fixture)
            self.proofs.setdefault(key, (proof, trace))
        else:
            proof, trace = self.proofs[key]
            cut = (len(self.load("proof/proof003")["proof"]) - len(fixture["proof"])) // 2
            proof = proof[: len(proof) - cut]
        return fixture | {
            "signerPublicKey": public.encode().hex(),
            "signature": self.signatures[old].encode().hex(),
            "proof": proof.hex(),
            "trace": trace,
        }

    def _proof(self, fixture: Fixture) -> tuple[bytes, Fixture]:
        suite, engine = self.suite, self.suite.engine
        header, messages = self._inputs(fixture)
        indexes = fixture["disclosedIndexes"]
        random = mocked(suite, 5 + len(messages) - len(indexes))
        signature = self.signatures[fixture["signature"]]
        proof = proof_gen(
            suite,
            self.public,
            signature,
            header,
            bytes.fromhex(fixture["presentationHeader"]),
            messages,
            indexes,
            lambda _: random,
        )
        abar, bbar, d = (engine.decode_g1(proof[at : at + 48]) for at in (0, 48, 96))
        generators = self.api.generators(len(messages) + 1)[1:]
        hidden = [h for j, h in enumerate(generators) if j not in indexes]
        names = ("r1", "r2", "e_tilde", "r1_tilde", "r3_tilde")
        octets = [scalar.encode().hex() for scalar in random]
        trace = {
            "random_scalars": dict(zip(names, octets[:5], strict=True))
            | {"m_tilde_scalars": octets[5:]},
            "A_bar": abar.encode().hex(),
            "B_bar": bbar.encode().hex(),
            "D": d.encode().hex(),
            "T1": (abar * random[2] + d * random[3]).encode().hex(),
            "T2": engine.sum_of_products_g1([d, *hidden], random[4:]).encode().hex(),
            "domain": self._signed(header, messages)[1],
            "challenge": proof[-32:].hex(),
        }
        return proof, trace

    def _inputs(self, fixture: Fixture) -> tuple[bytes, list[bytes]]:
        messages = [bytes.fromhex(message) for message in fixture["messages"]]
        return bytes.fromhex(fixture["header"]), messages

    def _signed(self, header: bytes, messages: list[bytes]) -> tuple[str, str]:
        generators = self.api.generators(len(messages) + 1)
        domain = calculate_domain(self.api, self.public.encode(), generators, header)
        scalars = [self.api.message_to_scalar(message) for message in messages]
        b = blind_sum(self.suite, self.api.p1(), generators, [domain, *scalars])
        return b.encode().hex(), domain.encode().hex()
