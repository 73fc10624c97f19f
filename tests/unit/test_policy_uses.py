"""What policies are for: holders who ask, federations that bound them, versions that change."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

import nacl.signing
import pytest

from guosuo.certlogic.evaluate import Result
from guosuo.errors import PeerError, Reason
from guosuo.evidence.facts import EvidenceFact
from guosuo.evidence.registry import NAAT, EvidenceKind
from guosuo.federation.charter import open_charter, sign_charter
from guosuo.policy.compiler import PolicyError, compile_document, find_faults
from guosuo.policy.document import PolicyDocument
from guosuo.policy.envelope import Bound, Envelope, check_bounds, check_envelope
from guosuo.policy.explain import explain
from guosuo.policy.simple import Way, recovered, simple_policy, vaccinated
from guosuo.policy.simple import tested as negative
from guosuo.policy.words import describe_values
from guosuo.policy.written import from_json, to_json
from guosuo.roles.checkpoint import Checkpoint, CheckpointState
from guosuo.roles.verdict import Cause, Outcome, Verdict
from tests.support.world import POLICY, World, clause, fact

NOW = 1_650_000_000
NOON = NOW - NOW % 86_400 + 43_200
HOUR, DAY = 3600, 86_400
LIFE = 12 * HOUR
POLICIES = files("guosuo") / "cli" / "demo_data" / "policies"
COMIRNATY = "EU/1/20/1528"


def policy(*ways: Way) -> PolicyDocument:
    return simple_policy(
        ways,
        region="440000",
        policy="entry",
        version=1,
        not_before=NOON - DAY,
        not_after=NOON + 30 * DAY,
    )


def naat(age: int) -> EvidenceFact:
    return fact(EvidenceKind.TEST, event_time=NOON - age, product=NAAT)


# --- for the holder -------------------------------------------------------------------


def test_until_when() -> None:
    found = explain(policy(negative("72 h", "LP6464-4", max_hours=72)), naat(HOUR), NOON, "en")
    assert (found.result, found.reasons) == (Result.SATISFIED, ())
    assert found.changes_at == NOON - HOUR + 72 * HOUR + 1


def test_why_not_in_the_language_of_choice() -> None:
    way = replace(
        negative("a fresh test", "LP6464-4", max_hours=24),
        descriptions=(("en", "a fresh test"), ("zh", "24小时内核酸")),
    )
    for language, text in (("zh", "24小时内核酸"), ("fr", "a fresh test")):
        found = explain(policy(way), naat(30 * HOUR), NOON, language)
        assert found.result is Result.NOT_SATISFIED
        assert found.reasons == (("TR-CN-0001", text),)
        assert found.changes_at is None


def test_not_yet() -> None:
    midnight = NOON - NOON % DAY
    dose = EvidenceFact(
        kind=EvidenceKind.VACCINATION, product=1, doses=2, series=2,
        event_time=midnight - 10 * DAY, digest=bytes(32),
    )  # fmt: skip
    found = explain(policy(vaccinated("x", min_days=14)), dose, NOON, "en")
    assert found.result is Result.NOT_SATISFIED
    assert found.changes_at == midnight + 4 * DAY


def test_a_kind_that_is_not_accepted() -> None:
    assert explain(policy(recovered("x", max_days=180)), naat(HOUR), NOON, "en").refused_kind


def test_the_end_of_the_policy_is_an_end() -> None:
    always = policy(vaccinated("x", complete=False))
    dose = EvidenceFact(
        kind=EvidenceKind.VACCINATION, product=1, doses=1, series=2,
        event_time=NOON - NOON % DAY - 2000 * DAY, digest=bytes(32),
    )  # fmt: skip
    assert explain(always, dose, NOON, "en").changes_at == always.not_after


def test_words() -> None:
    values = compile_document(policy(negative("x", "LP6464-4", max_hours=48)), LIFE).values
    assert describe_values(values) == ("test with LP6464-4 260415000: from 0 hours to 48 hours",)


# --- envelope -------------------------------------------------------------------------


def bound(kind: EvidenceKind, **change: object) -> Bound:
    fields: dict[str, object] = {
        "name": "bound",
        "must": True,
        "kind": kind,
        "products": None,
        "complete": False,
        "min_hours": 0,
        "max_hours": None,
        "description": "a bound",
    }
    return Bound(**(fields | change))  # type: ignore[arg-type]  # fields of all types


FLOOR = bound(
    EvidenceKind.VACCINATION,
    products=(COMIRNATY,),
    complete=True,
    min_hours=22 * 24,
    max_hours=210 * 24,
    name="vaccinated",
)
CEILING = bound(EvidenceKind.TEST, must=False, min_hours=72, name="old tests")


@pytest.mark.parametrize(
    ("ways", "broken"),
    [
        ((vaccinated("x", min_days=14, max_days=270),), []),
        ((vaccinated("x", min_days=22, max_days=210),), []),
        ((vaccinated("x", min_days=14, max_days=210, products=("CoronaVac",)),), ["vaccinated"]),
        ((vaccinated("x", min_days=14, doses=3, max_days=270),), ["vaccinated"]),
        ((negative("x", "LP6464-4", max_hours=72),), ["vaccinated"]),
        (
            (vaccinated("x", min_days=7, max_days=210), negative("x", "LP6464-4", max_hours=168)),
            ["old tests"],
        ),
    ],
)
def test_floors_and_ceilings(ways: Sequence[Way], broken: list[str]) -> None:
    document = policy(*ways)
    envelope = Envelope(kinds=(), bounds=(FLOOR, CEILING))
    check_bounds(envelope)
    values = compile_document(document, LIFE).values
    found = check_envelope(envelope, document, values, LIFE)
    assert [fault.rule for fault in found] == broken
    assert check_envelope(None, document, values, LIFE) == ()


def test_kinds_that_all_must_take() -> None:
    document = policy(negative("x", "LP6464-4", max_hours=72))
    envelope = Envelope(kinds=(EvidenceKind.TEST, EvidenceKind.RECOVERY), bounds=())
    values = compile_document(document, LIFE).values
    (fault,) = check_envelope(envelope, document, values, LIFE)
    assert fault.rule == "kinds"
    assert "recovery" in fault.why


@pytest.mark.parametrize(
    "change", [{"products": ("x",)}, {"min_hours": 5}, {"max_hours": 5}, {"max_hours": 24 * 14}]
)
def test_bounds_outside_of_the_registry(change: dict[str, object]) -> None:
    envelope = Envelope(kinds=(), bounds=(bound(EvidenceKind.VACCINATION, **change),))
    with pytest.raises(PeerError) as error:
        check_bounds(envelope)
    assert error.value.reason is Reason.CHARTER


OLD = bound(EvidenceKind.VACCINATION, must=False, min_hours=210 * 24, name="old")
EVERY = tuple(bound(kind, must=False, name=kind.name) for kind in EvidenceKind)


@pytest.mark.parametrize(
    ("kinds", "bounds", "why"),
    [
        ((), (FLOOR, OLD), None),
        ((), (replace(FLOOR, max_hours=270 * 24), OLD), "floor vaccinated and the ceiling old"),
        # Whatever the floor asks of one vaccine, the ceiling may forbid of another one.
        ((), (replace(FLOOR, max_hours=None), replace(OLD, products=("CoronaVac",))), None),
        ((), (replace(FLOOR, max_hours=None), replace(OLD, products=(COMIRNATY,))), "vaccinated"),
        ((), (FLOOR, replace(FLOOR, must=False, complete=False, name="b")), "ceiling b"),
        ((), (replace(FLOOR, min_hours=270 * 24),), "vaccinated ends before it begins"),
        ((EvidenceKind.TEST,), EVERY[:1], None),
        ((EvidenceKind.VACCINATION,), EVERY[:1], "kind vaccination, and none may"),
        ((), EVERY[1:], None),
        ((), EVERY, "leave nothing"),
        # Two ceilings together.
        (
            (EvidenceKind.TEST,),
            (bound(EvidenceKind.TEST, must=False, max_hours=72), CEILING),
            "kind test, and none may",
        ),
    ],
)
def test_an_envelope_that_contradicts_itself(
    kinds: tuple[EvidenceKind, ...], bounds: tuple[Bound, ...], why: str | None
) -> None:
    envelope = Envelope(kinds=kinds, bounds=bounds)
    if why is None:
        check_bounds(envelope)
        return
    with pytest.raises(PeerError, match=why) as error:
        check_bounds(envelope)
    assert error.value.reason is Reason.CHARTER


def test_a_charter_with_such_an_envelope_is_refused() -> None:
    world = World(("110000", "440000"))
    stranger = {"110000": nacl.signing.SigningKey(bytes(32))}
    for envelope, good in (
        (Envelope(kinds=(), bounds=(FLOOR,)), True),
        (Envelope(kinds=(), bounds=EVERY), False),
    ):
        charter = replace(world.federation.charter, envelope=envelope)
        with pytest.raises(PeerError) as error:
            open_charter(sign_charter(charter, stranger).encode(), world.suite)
        # The good one gets as far as its signatures, which are somebody else's here.
        assert ("leave nothing" in error.value.hint) is not good


def test_gate_and_wallet_refuse_a_policy_outside_of_the_envelope() -> None:
    world = World(("110000", "440000"))
    envelope = Envelope(kinds=(EvidenceKind.TEST, EvidenceKind.VACCINATION), bounds=())
    charter = replace(world.federation.charter, envelope=envelope)
    bounded = replace(world.federation, charter=charter)
    gate = world.regions["110000"].gate
    document = simple_policy(
        (clause(EvidenceKind.TEST, max_hours=72),),
        region="110000",
        policy=POLICY,
        version=2,
        not_before=world.now,
        not_after=world.now + DAY,
    )
    effects = gate.publish_policy(document, world.entropy)
    gate.state.policies[POLICY] = 1
    gate.federation = bounded
    with pytest.raises(PolicyError) as error:
        gate.publish_policy(document, world.entropy)
    assert [fault.rule for fault in error.value.faults] == ["kinds"]
    world.publish("110000", effects)
    world.view.federation = bounded
    with pytest.raises(PolicyError):
        world.bundle("110000")


# --- versions -------------------------------------------------------------------------


def test_a_checkpoint_switches_by_its_clock() -> None:
    world = World(("110000", "440000"))
    gate = world.regions["110000"]
    holder = world.holder("440000", fact(event_time=world.now - 50 * HOUR))
    assert world.cross(holder, "110000").verdict is Verdict.ACCEPT
    document = simple_policy(
        (clause(EvidenceKind.TEST, max_hours=48),),
        region="110000",
        policy=POLICY,
        version=2,
        not_before=world.now + HOUR,
        not_after=world.now + DAY,
    )
    world.publish("110000", gate.gate.publish_policy(document, world.entropy))
    world.tick()
    assert world.bundle("110000").policy.part.version == 1
    assert world.cross(holder, "110000").verdict is Verdict.ACCEPT
    world.now += HOUR
    assert world.bundle("110000").policy.part.version == 2
    fresh = world.holder("440000")
    assert world.cross(fresh, "110000").verdict is Verdict.ACCEPT


@pytest.mark.parametrize("later", [None, 2 * HOUR])
def test_without_a_policy_in_force_nobody_can_decide(later: int | None) -> None:
    world = World(("110000", "440000"))
    text = world.show(world.holder("440000"), "110000")
    state = CheckpointState("110000", "gate-110000", POLICY)
    keeper = Checkpoint(world.federation, state)
    document = simple_policy(
        (clause(EvidenceKind.TEST, max_hours=72),),
        region="110000",
        policy=POLICY,
        version=2,
        not_before=world.now,
        not_after=world.now + HOUR,
    )
    region = world.regions["110000"]
    if later is not None:
        world.publish("110000", region.gate.publish_policy(document, world.entropy))
    for entry in region.entries:
        keeper.load(entry)
    # What a checkpoint never got, or what has ended, it has not.
    state.policies = {
        version: held for version, held in state.policies.items() if version != 1 and later
    }
    outcome = keeper.verify(text, world.now + (later or 0), world.entropy)
    assert outcome == Outcome(Verdict.CANNOT_DECIDE, Cause.DEVICE)


# --- examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["health-code-24h", "health-code-48h", "health-code-72h", "eu-at-2022-06"]
)
def test_shipped_examples_can_be_published(name: str) -> None:
    document = from_json((POLICIES / f"{name}.json").read_bytes())
    assert find_faults(document) == ()
    assert compile_document(document, LIFE).values
    assert from_json(to_json(document).encode()) == document
