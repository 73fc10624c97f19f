"""`guosuo policy`: for regions that write rules, and for whoever wants to check them.

Everything here reads files and asks nobody. A policy is a file as
`guosuo.policy.written` has it; a country's published rules are taken as one, too, in
force from `--now`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from guosuo.certlogic.evaluate import Result
from guosuo.certlogic.json_text import load_json
from guosuo.cli import policy_file
from guosuo.cli.common import Desk, JsonOption, NowOption, read_code, read_file, time_text
from guosuo.cli.envelope_file import read_envelope
from guosuo.errors import CallerError, PeerError, Reason
from guosuo.evidence import dcc
from guosuo.evidence.facts import EvidenceFact, fact_from_entry
from guosuo.evidence.payload import read_payload
from guosuo.federation.clock import KEY_EPOCHS
from guosuo.policy.cases import (
    Agreement,
    fact_of,
    judge_matrix,
    judge_own_cases,
    read_country,
    read_sets,
)
from guosuo.policy.compiler import PolicyError, compile_document
from guosuo.policy.document import PolicyDocument
from guosuo.policy.explain import explain as explain_fact
from guosuo.policy.lint import Level
from guosuo.policy.lint import lint as lint_document
from guosuo.policy.reading import Fault
from guosuo.policy.table import POINT_SIZE, values_digest
from guosuo.policy.words import describe_lives, describe_values
from guosuo.policy.written import from_json, import_rules
from guosuo.wire import base45

_HOUR: Final = 3600
_MONTH: Final = 30 * 86_400
_VALUE_SETS: Final = "value-sets.json"
_COUNTRY_FILES: Final = "??.json"

app = typer.Typer(
    name="policy",
    help="Write, check and compare acceptance policies.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

PolicyArgument = Annotated[Path, typer.Argument(help="A policy, or a country's rules (JSON).")]
EpochOption = Annotated[
    int, typer.Option("--epoch-hours", min=1, max=24, help="Hours of the federation's epochs.")
]
SetsOption = Annotated[
    Path | None,
    typer.Option(
        "--value-sets",
        metavar="PATH",
        help="Value sets for a country's rules: JSON, lists of codes by name.",
        show_default=False,
    ),
]
LanguageOption = Annotated[
    str, typer.Option("--language", metavar="CODE", help="Language of the rules' texts.")
]


@app.command("lint", epilog="Example: guosuo policy lint policy.json")
def lint(
    policy: PolicyArgument,
    *,
    epoch_hours: EpochOption = 4,
    envelope: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Also hold it against an envelope, as `guosuo examples` writes one.",
            show_default=False,
        ),
    ] = None,
    value_sets: SetsOption = None,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """What to know about a policy before it is published; exit code 1 if it cannot be.

    Errors, warnings and notes: rules that cannot be proven, that never accept or never
    refuse, that others make redundant, and what each limit and product costs the table.
    """
    desk = Desk.open(now, None, as_json)
    document = _read_policy(desk, policy, value_sets)
    bounds = None if envelope is None else read_envelope(read_file(envelope))
    remarks = lint_document(document, _life(epoch_hours), bounds)
    for remark in remarks:
        style = {Level.ERROR: "red", Level.WARNING: "yellow"}.get(remark.level)
        desk.say(f"{remark.level.value}: {remark.about}: {remark.text}", style)
    errors = sum(remark.level is Level.ERROR for remark in remarks)
    desk.say(f"{errors} errors, {len(remarks) - errors} other remarks")
    desk.result(
        remarks=[{"level": r.level.value, "about": r.about, "text": r.text} for r in remarks]
    )
    if errors:
        raise typer.Exit(1)


@app.command("compile", epilog="Example: guosuo policy compile policy.json")
def compile_policy_file(
    policy: PolicyArgument,
    *,
    epoch_hours: EpochOption = 4,
    value_sets: SetsOption = None,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """The accepted evidence values: how many, how large the table is, and their hash."""
    desk = Desk.open(now, None, as_json)
    document = _read_policy(desk, policy, value_sets)
    started = time.perf_counter()
    compiled = _compiled(desk, document, epoch_hours)
    if compiled is None:
        raise typer.Exit(1)
    seconds = time.perf_counter() - started
    values, opened = compiled
    size, digest = len(values) * POINT_SIZE, values_digest(values).hex()
    desk.say(f"{len(values):,} values, a table of {size:,} octets, compiled in {seconds:.2f} s")
    desk.say(f"SHA-256 of the values: {digest}")
    for rule in opened:
        desk.say(f"{rule} cannot be evaluated for some evidence, and refuses that", "yellow")
    desk.result(
        values=len(values),
        table_octets=size,
        seconds=round(seconds, 3),
        digest=digest,
        open=list(opened),
    )


@app.command("diff", epilog="Example: guosuo policy diff old.json new.json")
def diff(
    old: Annotated[Path, typer.Argument(help="The policy as it is.")],
    new: Annotated[Path, typer.Argument(help="The policy as it shall be.")],
    *,
    epoch_hours: EpochOption = 4,
    value_sets: SetsOption = None,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """In words: which evidence the new policy accepts that the old one refused, and vice versa.

    First at a moment, as the rules have it; then over the hours for which evidence is signed,
    as the table has it: what passes a limit in these hours is in it only if it is accepted on
    both sides.
    """
    desk = Desk.open(now, None, as_json)
    documents = [_read_policy(desk, path, value_sets) for path in (old, new)]
    sets = []
    for document in documents:
        compiled = _compiled(desk, document, None)
        if compiled is None:
            raise typer.Exit(1)
        sets.append(frozenset(compiled[0]))
    answer = _say_changes(desk, sets[0], sets[1], describe_values, "")
    desk.result(**answer, life=_diff_lives(desk, documents, epoch_hours))


def _diff_lives(
    desk: Desk, documents: Sequence[PolicyDocument], epoch_hours: int
) -> dict[str, Any] | None:
    """What changes in the tables; None, and why, if one of the policies has none."""
    hours = KEY_EPOCHS * epoch_hours
    try:
        old, new = (frozenset(compile_document(d, hours * _HOUR).values) for d in documents)
    except PolicyError as error:
        desk.say(f"over {hours} hours: no comparison; {error.hint}", "yellow")
        return None
    desk.say(f"over the {hours} hours for which evidence is signed:")
    answer = _say_changes(desk, old, new, describe_lives, "  ")
    entries = {
        "old": len(old),
        "new": len(new),
        "added": len(new - old),
        "removed": len(old - new),
    }
    desk.say(
        f"  entries of the table: {entries['old']:,} before, {entries['new']:,} after; "
        f"{entries['added']:,} new, {entries['removed']:,} gone"
    )
    return {"hours": hours, **answer, "entries": entries}


def _say_changes(
    desk: Desk,
    old: frozenset[int],
    new: frozenset[int],
    describe: Callable[[frozenset[int]], tuple[str, ...]],
    margin: str,
) -> dict[str, Any]:
    answer = {"accepted": list(describe(new - old)), "refused": list(describe(old - new))}
    for word, lines in answer.items():
        desk.say(f"{margin}newly {word}:" if lines else f"{margin}newly {word}: nothing")
        for line in lines:
            desk.say(f"{margin}  {line}")
    return answer


@app.command("explain", epilog="Example: guosuo policy explain evidence.png --policy policy.json")
def explain(
    evidence: Annotated[
        str, typer.Argument(help="A certificate (text or picture), or its payload as JSON.")
    ],
    *,
    policy: Annotated[list[Path], typer.Option(help="A policy, or a country's rules.")],
    language: LanguageOption = "en",
    value_sets: SetsOption = None,
    now: NowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether policies accept a document, until when, and if not, which rule fails.

    Signatures are not looked at: it is about rules. Exit code 1 if a policy refuses it.
    """
    desk = Desk.open(now, None, as_json)
    fact = _read_evidence(evidence)
    rows = []
    for path in policy:
        document = _read_policy(desk, path, value_sets)
        found = explain_fact(document, fact, desk.now, language)
        desk.say(f"{document.region} {document.policy}: {found.result.value}")
        if found.refused_kind:
            desk.say("  this kind of evidence is not accepted there")
        for identifier, text in found.reasons:
            desk.say(f"  {identifier}: {text}")
        if found.changes_at is not None:
            word = "until" if found.result is Result.SATISFIED else "from"
            desk.say(f"  {word} {time_text(found.changes_at)}")
        rows.append(
            {
                "region": document.region,
                "policy": document.policy,
                "result": found.result.value,
                "reasons": [{"rule": rule, "text": text} for rule, text in found.reasons],
                "changes_at": found.changes_at,
            }
        )
    desk.result(policies=rows)
    if any(row["result"] != Result.SATISFIED.value for row in rows):
        raise typer.Exit(1)


@app.command("test", epilog="Example: guosuo policy test rules/2022-06-13 matrix/2022-06-13.json")
def compare(
    rules: Annotated[Path, typer.Argument(help="A country's rules, or a folder of such files.")],
    cases: Annotated[
        Path, typer.Argument(help="An acceptance matrix, or rules with test cases, or a folder.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Hold rules against expectations, in clear and through the compiled set.

    Rules with test cases of their own bring their value sets in value-sets.json beside
    them; the rules that are tested are those of RULES. Exit code 1 if anything differs.
    """
    desk = Desk.open(None, None, as_json)
    found = _agreements(rules, cases)
    if not found:
        raise CallerError(Reason.ARGUMENT, "rules and cases name no country in common")
    for row in found:
        desk.say(
            f"{row.country}: {row.clear} of {row.cases} in clear, "
            f"{row.table} of {row.evidence} through the table",
            None if row.agrees else "red",
        )
        _say_faults(desk, row.faults)
        if row.left_out:
            desk.say(f"  not among the rules, and not tested: {', '.join(row.left_out)}", "yellow")
        for line in row.differing:
            desk.say(f"  {line}")
    desk.result(
        countries=[
            {
                "country": row.country,
                "cases": row.cases,
                "clear": row.clear,
                "evidence": row.evidence,
                "table": row.table,
                "not_expressible": [{"rule": f.rule, "why": f.why} for f in row.faults],
                "left_out": list(row.left_out),
                "differing": row.differing,
            }
            for row in found
        ]
    )
    if not all(row.agrees for row in found):
        raise typer.Exit(1)


def _agreements(rules: Path, cases: Path) -> list[Agreement]:
    files = _files(rules)
    countries = dict(read_country(load_json(read_file(path))) for path in files)
    found: list[Agreement] = []
    for path in _files(cases):
        value = load_json(read_file(path))
        if isinstance(value, dict) and "results" in value:
            found.extend(judge_matrix(countries, value))
        elif isinstance(value, dict) and str(value.get("country")) in countries:
            sets = load_json(read_file(path.with_name(_VALUE_SETS)))
            found.append(judge_own_cases(value, sets, countries[str(value["country"])]))
    return found


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(_COUNTRY_FILES)) or sorted(path.glob("*.json"))
    if not found:
        raise CallerError(Reason.STORE_MISSING, "no JSON files in that folder")
    return found


def _compiled(
    desk: Desk, document: PolicyDocument, epoch_hours: int | None
) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """What a policy compiles to, without epochs at an instant; None after saying why not."""
    life = 1 if epoch_hours is None else _life(epoch_hours)
    try:
        compiled = compile_document(document, life)
    except PolicyError as error:
        desk.warn(error.hint)
        _say_faults(desk, error.faults)
        desk.result(
            error={"reason": error.reason.value, "message": error.hint, "exit_code": 1},
            not_expressible=[{"rule": f.rule, "why": f.why} for f in error.faults],
        )
        return None
    return compiled.values, compiled.open


def _say_faults(desk: Desk, faults: Sequence[Fault]) -> None:
    for fault in faults:
        desk.say(f"  {fault.rule} cannot be proven: {fault.why}", "red")


def _life(epoch_hours: int) -> int:
    return KEY_EPOCHS * epoch_hours * _HOUR


def _read_policy(desk: Desk, path: Path, value_sets: Path | None) -> PolicyDocument:
    data = read_file(path)
    value = load_json(data)
    if isinstance(value, dict) and "valid_days" in value:
        # The short form that `region bundle --policy` takes; it names no region.
        return policy_file.read_policy(data, region="draft", version=1, now=desk.now)
    if not isinstance(value, dict) or "country" not in value:
        return from_json(data)
    country, rules = read_country(value)
    sets: Any = {} if value_sets is None else load_json(read_file(value_sets))
    if not isinstance(sets, dict):
        raise PeerError(Reason.POLICY, "value sets are lists of codes by their names")
    sets = read_sets(sets.get("valueSets", sets))
    return import_rules(
        rules,
        sets,
        region=country,
        policy="entry",
        version=1,
        now=desk.now,
        not_after=desk.now + _MONTH,
    )


def _read_evidence(source: str) -> EvidenceFact:
    path = Path(source)
    if path.suffix == ".json":
        try:
            fact = fact_of(load_json(read_file(path)))
        except PeerError:
            fact = None
        if fact is None:
            raise PeerError(Reason.EVIDENCE, "not the payload of a health certificate")
        return fact
    text = read_code(source)
    document = dcc.open_document(
        dcc.decompress(base45.decode(dcc.strip_prefix(text), max_length=dcc.MAX_TEXT))
    )
    holder, entry = read_payload(dcc.read_claims(document.payload).health)
    return fact_from_entry(entry, holder, bytes(32))
