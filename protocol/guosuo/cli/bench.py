"""`guosuo bench`: what the operations cost on this machine, and how large everything is.

Machines drift and are shared, so every operation is measured between measurements
of one unit, a 4-term pairing check, and compared with them by processor time, which
does not count what other programs did meanwhile. Milliseconds are those of the clock
on the wall, on this machine at this moment; multiples of the unit can be compared.
Work that other processes do is compared by the clock instead.
Samples of all operations come in rounds, for the same reason.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from guosuo import __version__
from guosuo.cli.bench_cases import Case, MoreCases, Sent, Work, cases, sent, unit
from guosuo.cli.bench_rows import Row, Sample, quartiles, to_ms
from guosuo.cli.bench_stage import FULL, QUICK, TINY, Scale, Stage
from guosuo.curve.entropy import Entropy
from guosuo.curve.points import Engine
from guosuo.curve.selection import engine_names, get_engine
from guosuo.errors import CallerError, Reason

ROUNDS: Final = 5
"""Both native engines together stay below a minute."""
_UNIT_RUNS: Final = 3
"""Runs whose median is one measurement of the unit, with a native engine."""
_WARM_UP: Final = 5
"""Runs of the unit that are thrown away."""
_PLUGGED: Final = "guosuo.bench"
"""Group of entry points with further cases: those of the node, where it is installed."""
_FILE_WIDTH: Final = 100
"""Columns of the tables where there is no terminal."""

# The processor time of Windows moves in steps of 16 ms, which is no measure of a millisecond.
_processor = time.perf_counter if sys.platform == "win32" else time.process_time


@dataclass(slots=True)
class Result:
    """One engine's."""

    engine: Engine
    scale: Scale
    rounds: int
    unit: Row
    rows: list[Row]
    sizes: list[Sent]
    elapsed: float = 0.0

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        name = self.engine.name
        return {
            "engine": name,
            "version": importlib.metadata.version(name),
            "native": self.engine.native,
            "scale": asdict(self.scale),
            "rounds": self.rounds,
            "elapsed_s": round(self.elapsed, 1),
            "unit": self.unit.document()
            | {"quartiles_ms": [to_ms(q) for q in quartiles(self.unit)]},
            "rows": [row.document() for row in self.rows],
            "bytes": [asdict(size) for size in self.sizes],
        }


def bench(
    *,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="Curve engine to measure; may be repeated. Default: all installed."),
    ] = None,
    native: Annotated[
        bool, typer.Option("--native", help="Leave py_ecc out, which alone takes minutes.")
    ] = False,
    repeat: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help=f"Rounds of samples; {ROUNDS} by default, py_ecc 1."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Native engines, one round, small sizes: seconds.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Measure every operation and the size of everything sent."""
    notes = Console(stderr=True, highlight=False)
    results = []
    for chosen in _engines(engine or [], every=not (native or quick)):
        scale, rounds = _plan(chosen, repeat, quick=quick)
        results.append(measure(chosen, scale, rounds, notes))
    if as_json:
        typer.echo(json.dumps(_document(results), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_FILE_WIDTH)
    console.print(_machine_line())
    for result in results:
        console.print(_times(result))
        if any(row.of for row in result.rows):
            console.print(_relative(result))
        console.print(_summary(result))
    console.print(_sizes(results[0]))


def _engines(names: Sequence[str], *, every: bool) -> list[Engine]:
    if names:
        return [get_engine(name) for name in dict.fromkeys(names)]
    found = []
    for name in engine_names():
        try:
            candidate = get_engine(name)
        except CallerError:  # installed, but broken
            continue
        if candidate.native or every:
            found.append(candidate)
    if not found:
        raise CallerError(Reason.ENGINE, "no native engine here; --engine py_ecc takes minutes")
    return found


def _plan(engine: Engine, repeat: int | None, *, quick: bool) -> tuple[Scale, int]:
    if not engine.native:
        return TINY, repeat or 1
    return (QUICK, repeat or 1) if quick else (FULL, repeat or ROUNDS)


# --- measuring --------------------------------------------------------------------------------


def measure(engine: Engine, scale: Scale, rounds: int, notes: Console) -> Result:
    """Set the stage, then measure everything in rounds; progress goes to `notes`."""
    started = time.perf_counter()
    entropy = Entropy(os.urandom)
    notes.print(f"{engine.name}: preparing a federation")
    stage = Stage(engine, scale, entropy)
    work = unit(engine, entropy)
    with ExitStack() as stack:
        todo = cases(stage)
        for more in _more_cases():
            todo += stack.enter_context(more(engine, scale, entropy))
        result = Result(
            engine, scale, rounds, Row("unit", "one 4-term pairing check"), _rows(todo), sent(stage)
        )
        with _bar(notes, rounds * len(todo)) as bar, _no_collection():
            _rounds(result, work, todo, notes, bar)
    middle = statistics.median(result.unit.busy)
    result.unit.multiples = [busy / middle for busy in result.unit.busy]
    result.elapsed = time.perf_counter() - started
    return result


def _more_cases() -> list[MoreCases]:
    found = []
    for point in sorted(entry_points(group=_PLUGGED)):
        try:
            found.append(point.load())
        except ModuleNotFoundError:  # the node's requirements are not installed
            continue
    return found


def _rows(todo: Sequence[Case]) -> list[Row]:
    rows = {case.key: Row(case.key, case.label, case.items, case.by_clock) for case in todo}
    for case in todo:
        rows[case.key].of = rows.get(case.of or "")
    return list(rows.values())


def _rounds(
    result: Result, work: Work, todo: Sequence[Case], notes: Console, bar: Progress
) -> None:
    native = result.engine.native
    runs = _UNIT_RUNS if native else 1
    _unit_sample(work, _WARM_UP if native else 1)
    for number in range(result.rounds):
        if not notes.is_terminal:
            notes.print(f"{result.engine.name}: round {number + 1} of {result.rounds}")
        gc.collect()
        before = _unit_sample(work, runs)
        result.unit.add(before)
        for case, row in zip(todo, result.rows, strict=True):
            bar.update(bar.task_ids[0], description=case.label)
            bar.refresh()
            samples = [_sample(case.prepare()) for _ in range(case.times)]
            after = _unit_sample(work, runs)
            result.unit.add(after)
            for sample in samples:
                row.add(sample)
                row.compare(sample, before, after)
            before = after
            bar.advance(bar.task_ids[0])


def _sample(work: Work) -> Sample:
    busy, seconds = _processor(), time.perf_counter()
    outcome = work()
    sample = Sample(time.perf_counter() - seconds, _processor() - busy)
    if outcome is False:
        raise CallerError(Reason.STATE, "an operation failed while it was measured")
    return sample


def _unit_sample(work: Work, runs: int) -> Sample:
    samples = [_sample(work) for _ in range(runs)]
    return Sample(
        statistics.median(s.seconds for s in samples), statistics.median(s.busy for s in samples)
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection inside a sample (`timeit` does the same)."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _bar(notes: Console, total: int) -> Progress:
    """A bar that is drawn between samples only: no thread of its own."""
    bar = Progress(
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.description}"),
        console=notes,
        transient=True,
        auto_refresh=False,
        disable=not notes.is_terminal,
    )
    bar.add_task("", total=total)
    return bar


# --- printing ---------------------------------------------------------------------------------


def _times(result: Result) -> Table:
    table = _table(result.engine.name, "operation")
    for heading in ("ms", "each", "× check", "each", "min ms", "max ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in (result.unit, *(row for row in result.rows if row.of is None)):
        many = row.items > 1
        table.add_row(
            row.label,
            _digits(row.median * 1000),
            _digits(row.median * 1000 / row.items) if many else "",
            _digits(row.multiple),
            _digits(row.multiple / row.items) if many else "",
            _digits(min(row.seconds) * 1000),
            _digits(max(row.seconds) * 1000),
        )
    return table


def _relative(result: Result) -> Table:
    """Operations that are told in terms of another one: those of a node."""
    (base,) = {row.of.key: row.of.label for row in result.rows if row.of}.values()
    title = f"One node, without a network; × signing: of “{base}”"
    table = _table(title, "operation")
    for heading in ("ms", "each", "per second", "× check, each", "× signing, each"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.rows:
        if row.of is not None and row.relative is not None:
            table.add_row(
                row.label,
                _digits(row.median * 1000),
                _digits(row.median * 1000 / row.items) if row.items > 1 else "",
                _digits(row.items / row.median),
                _digits(row.multiple / row.items),
                _digits(row.relative),
            )
    return table


def _table(title: str, first: str) -> Table:
    table = Table(
        title=f"\n{title}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column(first, no_wrap=True)
    return table


def _summary(result: Result) -> str:
    low, high = quartiles(result.unit)
    large = result.scale
    samples = sorted({len(row.seconds) for row in result.rows})
    return (
        f"Bucket of {large.slots:,}, batch of {large.batch:,}; {result.rounds} round(s) with "
        f"{' or '.join(map(str, samples))} samples of each, {result.elapsed:.0f} s in all.\n"
        "ms: the median by the clock. × check: the median of multiples, in processor\n"
        "time, of the 4-term pairing check measured right before and right after. Half\n"
        f"of the {len(result.unit.seconds)} measurements of the check lie within "
        f"{_digits(low * 1000)} to {_digits(high * 1000)} ms."
    )


def _sizes(result: Result) -> Table:
    table = _table("Octets of everything sent", "what")
    for heading in ("octets", "QR characters", "QR version"):
        table.add_column(heading, justify="right")
    for size in result.sizes:
        table.add_row(
            size.label,
            f"{size.octets:,}",
            "" if size.characters is None else f"{size.characters:,}",
            "" if size.qr_version is None else str(size.qr_version),
        )
    return table


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }


def _machine_line() -> str:
    about = _machine()
    return (
        f"guosuo {__version__}, {about['implementation']} {about['python']}, "
        f"{about['platform']}, {about['processors']} processors"
    )


def _document(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "format": 1,
        "guosuo": __version__,
        **_machine(),
        "engines": [result.document() for result in results],
    }


def _digits(number: float) -> str:
    """About three significant digits, without an exponent."""
    for least, form in ((100, ",.0f"), (10, ".1f"), (1, ".2f"), (0.01, ".3f")):
        if number >= least:
            return format(number, form)
    return f"{number:.4f}"
