"""The one sigma proof: complete, sound, bound to all it hashes, and its nonces hedged.

Random statements over both groups with secrets they share. Soundness is shown by the
extractor: two answers to one commitment give the secret, and no two answers that
`prove` gives, whatever its source of randomness repeats, are to one commitment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guosuo.curve import G1, G2, ORDER, Scalar
from guosuo.curve.entropy import Entropy
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.sigma.proof import (
    Challenge,
    Equation,
    Proof,
    Statement,
    check,
    check_with,
    combine,
    prove,
    prove_with,
)
from guosuo.suite import Interface, Item, Suite, Tag
from tests.support.world import seeded

API = Interface.guosuo(Suite.sha256())
ENGINE = API.suite.engine
TAG = Tag.APPEAL
ONE = Scalar(1)

scalars = st.integers(1, ORDER - 1).map(Scalar)
moderate = settings(max_examples=40)


@dataclass(frozen=True)
class Case:
    statement: Statement
    witness: dict[str, Scalar]
    context: list[Item]
    seed: int

    def proof(self) -> Proof:
        return prove(API, TAG, self.statement, self.witness, self.context, seeded(self.seed))


def bases(group: type[G1 | G2], number: int) -> G1 | G2:
    """A family of bases, different numbers giving different points."""
    if group is G1:
        return API.point(Tag.SHOW_TAG, "base", number)
    return ENGINE.g2 * Scalar(number + 2)


@st.composite
def cases(draw: st.DrawFn, *, groups: Sequence[type[G1 | G2]] = (G1, G2)) -> Case:
    """Up to four secrets in up to four equations, each in one group, sharing secrets."""
    names = [f"s{i}" for i in range(draw(st.integers(1, 4)))]
    witness = {name: draw(scalars) for name in names}
    rows = [draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))]
    rows += draw(st.lists(st.lists(st.sampled_from(names), min_size=1, unique=True), max_size=2))
    missing = [name for name in names if not any(name in row for row in rows)]
    if missing:
        rows.append(missing)
    equations = []
    for row in rows:
        group = draw(st.sampled_from(groups))
        numbers = draw(st.permutations(range(6)))
        terms = tuple((name, bases(group, n)) for name, n in zip(row, numbers, strict=False))
        target = combine(ENGINE, [(witness[name], base) for name, base in terms])
        equations.append(Equation(target, terms))
    context: list[Item] = draw(
        st.lists(st.one_of(st.binary(max_size=8), st.text("ab", max_size=3), st.integers(0, 9)))
    )
    context += [equation.target for equation in equations]
    return Case(
        Statement(tuple(names), tuple(equations)), witness, context, draw(st.integers(0, 1 << 32))
    )


def holds(
    statement: Statement,
    proof: Proof,
    context: Sequence[Item],
    tag: Tag = TAG,
    api: Interface = API,
) -> bool:
    try:
        check(api, tag, statement, proof, context)
    except PeerError:
        return False
    return True


# --- complete, and bound to everything -----------------------------------------------------------


@moderate
@given(case=cases())
def test_true_statements_are_proven(case: Case) -> None:
    proof = case.proof()
    assert holds(case.statement, proof, case.context)
    octets = proof.encode()
    assert len(octets) == 32 * (1 + len(case.witness))
    assert Proof.decode(octets, len(case.witness)) == proof


@moderate
@given(case=cases(), by=scalars)
def test_any_changed_answer_fails(case: Case, by: Scalar) -> None:
    proof = case.proof()
    assert holds(case.statement, proof, case.context)
    assert not holds(case.statement, replace(proof, challenge=proof.challenge + by), case.context)
    for i, response in enumerate(proof.responses):
        changed = (*proof.responses[:i], response + by, *proof.responses[i + 1 :])
        assert not holds(case.statement, replace(proof, responses=changed), case.context)
    negated = Proof(-proof.challenge, tuple(-r for r in proof.responses))
    assert not holds(case.statement, negated, case.context)


@moderate
@given(case=cases(), by=scalars)
def test_any_changed_target_or_base_fails(case: Case, by: Scalar) -> None:
    """In the equation only: the context keeps the true one."""
    proof = case.proof()
    assert holds(case.statement, proof, case.context)
    for i, equation in enumerate(case.statement.equations):
        moved = replace(equation, target=moved_by(equation.target, by))
        assert not holds(with_equation(case.statement, i, moved), proof, case.context)
        for j, (name, base) in enumerate(equation.terms):
            terms = list(equation.terms)
            terms[j] = (name, moved_by(base, by))
            moved = replace(equation, terms=tuple(terms))
            assert not holds(with_equation(case.statement, i, moved), proof, case.context)


def moved_by(point: G1 | G2, by: Scalar) -> G1 | G2:
    return point + ENGINE.g1 * by if isinstance(point, G1) else point + ENGINE.g2 * by


def with_equation(statement: Statement, at: int, equation: Equation) -> Statement:
    equations = list(statement.equations)
    equations[at] = equation
    return replace(statement, equations=tuple(equations))


@moderate
@given(case=cases(), extra=st.one_of(st.binary(max_size=4), st.integers(0, 9), st.just("x")))
def test_any_changed_context_fails(case: Case, extra: Item) -> None:
    proof = case.proof()
    assert holds(case.statement, proof, case.context)
    others: list[list[Item]] = [
        [*case.context, extra],
        [extra, *case.context],
        [list(case.context)],
        *([*case.context[:i], *case.context[i + 1 :]] for i in range(len(case.context))),
        *([*case.context[:i], [c], *case.context[i + 1 :]] for i, c in enumerate(case.context)),
    ]
    for other in others:
        assert not holds(case.statement, proof, other)


@moderate
@given(case=cases())
def test_any_other_tag_interface_or_order_fails(case: Case) -> None:
    proof = case.proof()
    for tag in Tag:
        assert holds(case.statement, proof, case.context, tag) == (tag is TAG)
    draft = Interface.draft(API.suite)
    assert not holds(case.statement, proof, case.context, api=draft)
    shake = Interface.guosuo(Suite.shake256(ENGINE))
    assert not holds(case.statement, proof, case.context, api=shake)
    turned = case.statement.equations[::-1]
    if turned != case.statement.equations:
        assert not holds(replace(case.statement, equations=turned), proof, case.context)
    shorter = case.statement.equations[:-1]
    if {name for e in shorter for name, _ in e.terms} == set(case.statement.secrets):
        assert not holds(replace(case.statement, equations=shorter), proof, case.context)
    renamed = case.statement.secrets[::-1]
    if len(renamed) > 1:
        assert not holds(replace(case.statement, secrets=renamed), proof, case.context)


@moderate
@given(case=cases(), by=scalars)
def test_a_wrong_secret_proves_nothing(case: Case, by: Scalar) -> None:
    for name, secret in case.witness.items():
        wrong = case.witness | {name: secret + by}
        proof = prove(API, TAG, case.statement, wrong, case.context, seeded(case.seed))
        assert not holds(case.statement, proof, case.context)
    assert holds(case.statement, case.proof(), case.context)


def test_one_secret_in_two_equations_is_one_secret() -> None:
    """Two equations true of different secrets are not true of one."""
    h, g = bases(G1, 0), bases(G2, 0)
    assert isinstance(h, G1)
    assert isinstance(g, G2)
    x, y = Scalar(3), Scalar(4)
    one = Statement(("x",), (Equation(h * x, (("x", h),)), Equation(g * x, (("x", g),))))
    two = Statement(("x",), (Equation(h * x, (("x", h),)), Equation(g * y, (("x", g),))))
    for secret in (x, y):
        proof = prove(API, TAG, one, {"x": secret}, [b"c"], seeded(1))
        assert holds(one, proof, [b"c"]) == (secret == x)
        proof = prove(API, TAG, two, {"x": secret}, [b"c"], seeded(1))
        assert not holds(two, proof, [b"c"])


def test_hashed_items_do_not_run_together() -> None:
    """Every pair hashes alike in a sloppy encoding, and not here."""
    h = bases(G1, 0)
    statement = Statement(("x",), (Equation(combine(ENGINE, [(ONE, h)]), (("x", h),)),))
    pairs: list[tuple[list[Item], list[Item]]] = [
        (["ab", "c"], ["a", "bc"]),
        ([b"ab", b""], [b"a", b"b"]),
        (["a"], [b"a"]),
        ([1, 2], [[1, 2]]),
        ([[1], 2], [1, [2]]),
        ([[]], []),
        ([0], [b""]),
        ([256], [1, 0]),
        ([b"\x01"], [1]),
        (["1"], [1]),
        ([Scalar(1)], [1]),
        ([h], [-h]),
    ]
    for one, other in pairs:
        proof = prove(API, TAG, statement, {"x": ONE}, one, seeded(1))
        assert holds(statement, proof, one)
        assert not holds(statement, proof, other)
    for wrong in (True, -1):
        with pytest.raises(CallerError) as refused:
            prove(API, TAG, statement, {"x": ONE}, [wrong], seeded(1))
        assert refused.value.reason is Reason.ARGUMENT


# --- what is refused -----------------------------------------------------------------------------


def test_an_equation_never_mixes_groups() -> None:
    h, g = bases(G1, 0), bases(G2, 0)
    mixed = Statement(("x", "y"), (Equation(h, (("x", h), ("y", g))),))
    beside = Statement(("x",), (Equation(g, (("x", h),)),))
    answers = Proof(ONE, (ONE,))
    witness = {"x": ONE, "y": ONE}
    attempts: list[Callable[[], object]] = [
        lambda: prove(API, TAG, mixed, witness, [], seeded(1)),
        lambda: check(API, TAG, mixed, Proof(ONE, (ONE, ONE)), []),
        lambda: check(API, TAG, beside, answers, []),
        lambda: combine(ENGINE, [(ONE, h), (ONE, g)]),
        lambda: combine(ENGINE, [(ONE, g), (ONE, h)]),
    ]
    for attempt in attempts:
        with pytest.raises(CallerError) as refused:
            attempt()
        assert refused.value.reason is Reason.ARGUMENT
    apart = Statement(("x",), (Equation(h, (("x", h),)), Equation(g, (("x", g),))))
    proof = prove(API, TAG, apart, {"x": ONE}, [], seeded(1))
    assert holds(apart, proof, [])
    assert combine(ENGINE, [(ONE, g), (ONE, g)]) == ENGINE.g2 * Scalar(4)


@pytest.mark.parametrize(
    "secrets", [(), ("x",), ("x", "x"), ("x", "y", "y"), ("x", "y", "z"), ("y", "z"), ("X", "y")]
)
def test_secrets_and_equations_name_the_same(secrets: tuple[str, ...]) -> None:
    h = bases(G1, 0)
    equations = (Equation(h, (("x", h),)), Equation(h, (("y", h),)))
    with pytest.raises(CallerError) as refused:
        Statement(secrets, equations)
    assert refused.value.reason is Reason.ARGUMENT
    assert Statement(("y", "x"), equations).secrets == ("y", "x")


@given(data=st.binary(max_size=160), secrets=st.integers(0, 4))
def test_any_octets_are_a_proof_or_the_peer_error(data: bytes, secrets: int) -> None:
    try:
        proof = Proof.decode(data, secrets)
    except PeerError:
        return
    assert proof.encode() == data


def test_lengths_and_ranges_of_a_proof_are_strict() -> None:
    good = Proof(Scalar(5), (Scalar(6), Scalar(-1)))
    octets = good.encode()
    assert Proof.decode(octets, 2) == good
    for data, secrets in (
        (octets, 1),
        (octets, 3),
        (octets[:-1], 2),
        (octets + b"\0", 2),
        (octets[:64] + bytes(32), 2),
        (bytes(32) + octets[32:], 2),
        (octets[:64] + ORDER.to_bytes(32, "big"), 2),
        (octets[:32] + (ORDER + 6).to_bytes(32, "big") + octets[64:], 2),
    ):
        with pytest.raises(PeerError):
            Proof.decode(data, secrets)


# --- nonces --------------------------------------------------------------------------------------


def commitments(statement: Statement, proof: Proof) -> list[bytes]:
    """T = Σ response · base − c · target, as the verifier recomputes it."""
    answers = dict(zip(statement.secrets, proof.responses, strict=True))
    return [
        combine(
            ENGINE,
            [(answers[n], base) for n, base in e.terms] + [(-proof.challenge, e.target)],
        ).encode()
        for e in statement.equations
    ]


def extract(statement: Statement, one: Proof, other: Proof) -> dict[str, Scalar]:
    """s = (r̂ − r̂')/(c − c'): the secrets, if both answer the same commitments."""
    step = (one.challenge - other.challenge).inverse()
    answers = zip(statement.secrets, one.responses, other.responses, strict=True)
    return {name: (a - b) * step for name, a, b in answers}


def solved(statement: Statement, one: Proof, other: Proof, witness: Mapping[str, Scalar]) -> bool:
    """Whether any secret can be solved for from two proofs."""
    if one.challenge == other.challenge:
        return False
    found = extract(statement, one, other)
    return any(found[name] == secret for name, secret in witness.items())


@moderate
@given(case=cases(), nonce=scalars)
def test_the_extractor_works_where_nonces_repeat(case: Case, nonce: Scalar) -> None:
    """The twin of the tests below: two challenges, one set of nonces, all secrets."""
    nonces = {name: nonce + Scalar(i) for i, name in enumerate(case.statement.secrets)}

    def challenge(by: bytes) -> Challenge:
        return lambda points: API.scalar(TAG, by, *points)

    one, other = (
        prove_with(ENGINE, case.statement, case.witness, nonces, challenge(by))
        for by in (b"one", b"other")
    )
    check_with(ENGINE, case.statement, one, challenge(b"one"))
    check_with(ENGINE, case.statement, other, challenge(b"other"))
    assert commitments(case.statement, one) == commitments(case.statement, other)
    assert extract(case.statement, one, other) == case.witness


@moderate
@given(case=cases(), extra=st.one_of(st.binary(max_size=4), st.integers(0, 9)))
def test_one_source_and_two_contexts_give_two_commitments(case: Case, extra: Item) -> None:
    """The same octets of randomness again: a restored backup, a cloned phone."""
    one = case.proof()
    other = replace(case, context=[*case.context, extra]).proof()
    assert one != other
    mine, theirs = (commitments(case.statement, proof) for proof in (one, other))
    assert not set(mine) & set(theirs)
    assert not solved(case.statement, one, other, case.witness)


@moderate
@given(case=cases(), by=scalars)
def test_one_source_and_two_secrets_give_two_commitments(case: Case, by: Scalar) -> None:
    """Otherwise r̂ − r̂' = c·s − c'·s' of two holders with one source of randomness."""
    witness = {name: secret + by for name, secret in case.witness.items()}
    equations = tuple(
        Equation(combine(ENGINE, [(witness[n], base) for n, base in e.terms]), e.terms)
        for e in case.statement.equations
    )
    statement = replace(case.statement, equations=equations)
    # Even under the very same context.
    one = case.proof()
    other = prove(API, TAG, statement, witness, case.context, seeded(case.seed))
    assert holds(statement, other, case.context)
    assert not set(commitments(case.statement, one)) & set(commitments(statement, other))


@moderate
@given(case=cases())
def test_one_source_and_two_tags_give_two_commitments(case: Case) -> None:
    one = case.proof()
    other = prove(API, Tag.ENROLMENT, case.statement, case.witness, case.context, seeded(case.seed))
    assert not set(commitments(case.statement, one)) & set(commitments(case.statement, other))
    assert not solved(case.statement, one, other, case.witness)


@moderate
@given(case=cases())
def test_everything_the_same_is_the_same_proof_and_fresh_octets_another(case: Case) -> None:
    one, again = case.proof(), case.proof()
    assert one == again  # one challenge for one commitment: nothing to extract
    other = replace(case, seed=case.seed + 1).proof()
    assert not set(commitments(case.statement, one)) & set(commitments(case.statement, other))
    assert not solved(case.statement, one, other, case.witness)


def test_secrets_of_one_proof_have_nonces_of_their_own() -> None:
    """Equal secrets too: r̂_1 − r̂_2 must not be 0."""
    h = bases(G1, 0)
    equations = tuple(
        Equation(combine(ENGINE, [(Scalar(9), h)]), ((f"s{i}", h),)) for i in range(4)
    )
    statement = Statement(("s0", "s1", "s2", "s3"), equations)
    witness = {name: Scalar(9) for name in statement.secrets}
    proof = prove(API, TAG, statement, witness, [], seeded(1))
    assert holds(statement, proof, [])
    assert len(set(proof.responses)) == 4
    assert len(set(commitments(statement, proof))) == 4


def test_one_source_and_two_statements_give_two_commitments() -> None:
    """Protocol section 3: nonces are hash(fresh randomness, secret, statement).

    A caller whose context does not name its bases gives the secret away as soon as
    its source of randomness repeats. (Every caller in the library names them.)
    """
    h, other = bases(G1, 0), bases(G1, 1)
    x = Scalar(123)
    proofs = []
    for base in (h, other):
        statement = Statement(("x",), (Equation(combine(ENGINE, [(x, base)]), (("x", base),)),))
        proof = prove(API, TAG, statement, {"x": x}, [b"no bases here"], seeded(1))
        assert holds(statement, proof, [b"no bases here"])
        proofs.append((statement, proof))
    (statement, one), (_, two) = proofs
    assert not solved(statement, one, two, {"x": x})


def test_every_proof_draws_fresh_randomness_and_stops_if_there_is_none() -> None:
    h = bases(G1, 0)
    statement = Statement(("x",), (Equation(h, (("x", h),)),))
    given_octets: list[int] = []
    rng = random.Random(1)

    def source(count: int) -> bytes:
        given_octets.append(count)
        return rng.randbytes(count)

    for _ in range(2):
        assert holds(statement, prove(API, TAG, statement, {"x": ONE}, [], Entropy(source)), [])
    assert given_octets == [32, 32]
    with pytest.raises(CallerError) as refused:
        prove(API, TAG, statement, {"x": ONE}, [], Entropy(bytes))
    assert refused.value.reason is Reason.RANDOMNESS


# --- forging without a secret --------------------------------------------------------------------


@moderate
@given(case=cases(), challenge=scalars, answer=scalars)
def test_simulated_answers_fit_some_commitment_but_not_the_hash(
    case: Case, challenge: Scalar, answer: Scalar
) -> None:
    """Zero knowledge and soundness at once: any answers fit an interactive verifier's
    challenge if it is known beforehand; the hash is not."""
    count = len(case.statement.secrets)
    forged = Proof(challenge, tuple(answer + Scalar(i) for i in range(count)))
    check_with(ENGINE, case.statement, forged, lambda _: challenge)
    assert not holds(case.statement, forged, case.context)
    assert holds(case.statement, case.proof(), case.context)


def test_a_target_left_out_of_the_context_can_be_chosen_afterwards() -> None:
    """(!) Why N stands in the transcript: a statement is only bound by what is hashed.

    One secret in two equations; the second target is solved for after the challenge.
    It works exactly where the context does not name that target.
    """
    h, base = bases(G1, 0), bases(G1, 1)
    assert isinstance(h, G1)
    assert isinstance(base, G1)
    x, nonce, free = Scalar(7), Scalar(8), Scalar(9)
    known = h * x
    t1, t2 = h * nonce, base * free
    for named in (False, True):
        context: list[Item] = [known]
        c = API.scalar(TAG, *context, t1, t2)
        answer = nonce + c * x
        target = (base * answer - t2) * c.inverse()
        assert target != base * x
        statement = Statement(
            ("x",), (Equation(known, (("x", h),)), Equation(target, (("x", base),)))
        )
        hashed = [*context, target] if named else context
        assert holds(statement, Proof(c, (answer,)), hashed) is not named
