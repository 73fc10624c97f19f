"""People and documents for the tests of adapters, and health systems that answer badly."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import nacl.signing
from aiohttp import web

from guosuo.evidence.dcc import VerifiedDcc, verify
from guosuo.evidence.facts import fact_from_dcc
from guosuo.evidence.trust import TrustAnchor, TrustAnchors
from guosuo.host.pictures import read_png
from guosuo_node.adapter.contract import AdapterFactory, Cases, Document, TestPerson
from guosuo_node.adapter.counter import CounterCheck, Statement, sign_statement
from guosuo_node.adapter.dcc_source import DccSource, DocumentAdapter
from guosuo_node.adapter.health_system import Endpoint, HealthSystem
from guosuo_node.adapter.interface import Adapter
from guosuo_node.adapter.invented import InventedPerson, invent
from guosuo_node.adapter.records import record_fact
from guosuo_node.adapter.standin import StandIn, running

REGION = "440000"
NOW = 1_642_509_000
"""The moment for which the demonstration's certificates are chosen."""
TOKEN = "a-token-of-the-tests"  # noqa: S105 - of a service that lives for one test
SYSTEM = "440000-stand-in"
COUNTER = nacl.signing.SigningKey(bytes(range(32)))
DATA = resources.files("guosuo.cli") / "demo_data"


# --- documents ----------------------------------------------------------------------------


@cache
def anchors() -> TrustAnchors:
    """The demonstration's signers."""
    index = json.loads((DATA / "index.json").read_bytes())
    return TrustAnchors(
        (TrustAnchor(base64.b64decode(x["certificate"]), test_only=True) for x in index["anchors"]),
        allow_test=True,
    )


@cache
def qr_text(name: str) -> str:
    """The text of one of the demonstration's certificates, as "LT-1"."""
    return read_png((DATA / f"{name}.png").read_bytes())


def certificate(name: str) -> VerifiedDcc:
    return verify(qr_text(name), anchors(), now=NOW)


def statement(holder_of: str, *, record: bytes = b"", **changed: object) -> str:
    """A counter's statement about the holder of a certificate."""
    holder = certificate(holder_of).holder
    members: dict[str, object] = {
        "region": REGION,
        "record": record or f"person {holder.dob}".encode(),
        "family": holder.fnt,
        "given": holder.gnt,
        "born": holder.dob,
        "issued": NOW - 10,
        "expires": NOW + 600,
    }
    return sign_statement(Statement.from_value({**members, **changed}), COUNTER)


def document_adapter() -> Adapter:
    check = CounterCheck(REGION, [bytes(COUNTER.verify_key)])
    return DocumentAdapter(check, DccSource(anchors()))


def document_cases() -> Cases:
    def document(name: str) -> Document:
        fact = fact_from_dcc(certificate(name))
        return Document(qr_text(name).encode(), fact.kind, fact.product, fact.event_time)

    def person(*names: str) -> TestPerson:
        return TestPerson(
            statement(names[0]),
            tuple(map(document, names)),
            again=statement(names[0], expires=NOW + 300),
        )

    return Cases(
        now=NOW,
        people=(person("LT-1", "LT-2", "LT-3", "LT-4"), person("HR-3")),
        unknown_identifications=(
            statement("LT-1", issued=NOW - 900, expires=NOW - 1),
            statement("LT-1", region="110000"),
            statement("LT-1")[:-4] + "AAAA",
        ),
        unknown_references=(qr_text("bad-signature").encode(), qr_text("bad-PL-10").encode()),
    )


# --- records ------------------------------------------------------------------------------


def people(count: int = 5) -> list[InventedPerson]:
    return invent(7, count, now=NOW)


def health_system(url: str, *, token: str = TOKEN, seconds: float = 4.0) -> HealthSystem:
    return HealthSystem(Endpoint(url=url, system=SYSTEM, tls=None, seconds=seconds), token)


def record_cases(outage: AdapterFactory | None = None) -> Cases:
    def person(invented: InventedPerson) -> TestPerson:
        holder = invented.record.holder()
        facts = [(x.number, record_fact(SYSTEM, x, holder)) for x in invented.records[:3]]
        return TestPerson(
            invented.identification,
            tuple(Document(n.encode(), f.kind, f.product, f.event_time) for n, f in facts),
        )

    return Cases(
        now=NOW,
        people=tuple(map(person, people(3))),
        unknown_identifications=("A" * 26,),
        unknown_references=(b"INV-999999-T1",),
        secrets=(TOKEN,),
        outage=outage,
    )


@contextlib.contextmanager
def standing_in(count: int = 5) -> Iterator[str]:
    """The stand-in with some people; its address."""
    with running(StandIn(people(count), TOKEN).application()) as url:
        yield url


@dataclass
class Hostile:
    """A health system that answers each question with what it is given."""

    url: str
    asked: list[tuple[str, dict[str, str], bytes]]
    """Path, headers and body of each request."""


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[Hostile]:
    """A server that hands each request to `answer`."""
    asked: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append((request.path_qs, dict(request.headers), await request.read()))
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    with running(application) as url:
        yield Hostile(url, asked)
