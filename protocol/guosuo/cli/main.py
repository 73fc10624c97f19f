"""The `guosuo` command: parts, exit codes, and errors that say what to do.

Exit codes:

    0    done; a show was accepted
    1    a check failed: a show was not satisfied, an enrolment refused, a slot not renewed
    2    misuse: a wrong option, a missing file, something that is not due
    3    input from outside was refused: altered, from another federation, not readable
    4    a checkpoint cannot decide
    130  interrupted

Every error is one line on the error channel; under `--json` it is also the document
`{"error": {"reason", "message", "exit_code"}}` on standard output.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

import typer
from rich.console import Console

from guosuo import __version__
from guosuo.cli import checkpoint, policy, region, serving, wallet, wallet_check
from guosuo.cli.bench import bench
from guosuo.cli.common import printable
from guosuo.cli.demo_command import demo
from guosuo.cli.examples import examples
from guosuo.cli.selftest import selftest
from guosuo.cli.simulate import EXAMPLE, simulate
from guosuo.errors import CallerError, GuosuoError, PeerError, Reason
from guosuo.policy.compiler import PolicyError

FAILED, MISUSE, REFUSED, INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    name="guosuo",
    help="Verification of health credentials across regions: a checkpoint learns one verdict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("demo")(demo)
app.command("examples", epilog="Example: guosuo examples try")(examples)
app.command("selftest")(selftest)
app.command("bench")(bench)
app.command("simulate", epilog=EXAMPLE)(simulate)
app.add_typer(region.app, name="region")
wallet.app.command("check", epilog=wallet_check.EXAMPLE)(wallet_check.check)
app.add_typer(wallet.app, name="wallet")
app.add_typer(policy.app, name="policy")
checkpoint.app.command("refresh", epilog=serving.REFRESH_EXAMPLE)(serving.refresh)
checkpoint.app.command("serve", epilog=serving.SERVE_EXAMPLE)(serving.serve)
app.add_typer(checkpoint.app, name="checkpoint")

_PLUGGED = {
    "node": "Run a region's node, or a stand-alone witness.",
    "federation": "Found and join federations of nodes.",
}
"""Groups of commands that come with the node; loaded only when they are called."""
_DEMO = "demo"
"""Told with nodes where they are installed, else with files."""
for _name, _help in _PLUGGED.items():
    app.add_typer(typer.Typer(help=_help, no_args_is_help=True), name=_name)

_NOT_SHOWN = {Reason.NOT_ACCEPTED_THERE, Reason.NO_CREDENTIAL}
"""The caller's errors that are an outcome rather than a misuse."""


@app.callback(invoke_without_command=True)
def about(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),  # noqa: FBT001, FBT003
) -> None:
    """Print the version."""
    if version:
        typer.echo(f"guosuo {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Chinese letters shows question marks, not a traceback.
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


def _plug_in(name: str) -> None:
    """Put what the node has under this name in the place of its stub."""
    points = entry_points(group="guosuo.commands", name=name)
    try:
        (point,) = points
        found = point.load()
    except (ModuleNotFoundError, ValueError):
        if name == _DEMO:
            return
        hint = "the node is not installed: pip install 'guosuo[node]'"
        raise CallerError(Reason.ENGINE, hint) from None
    if isinstance(found, typer.Typer):
        app.registered_groups = [g for g in app.registered_groups if g.name != name]
        app.add_typer(found, name=name)
    else:
        app.registered_commands = [c for c in app.registered_commands if c.name != name]
        app.command(name)(found)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Whatever was wrong has been said."""

    def fail(code: int, reason: str, text: str) -> int:
        if "--json" in arguments:
            error = {"reason": reason, "message": text, "exit_code": code}
            typer.echo(json.dumps({"error": error}, ensure_ascii=False))
        console = Console(stderr=True, soft_wrap=True)
        console.print("guosuo:", style="red", end=" ")
        console.print(printable(text), markup=False, highlight=False)
        return code

    def work() -> object:
        if arguments and arguments[0] in (*_PLUGGED, _DEMO):
            _plug_in(arguments[0])
        return app(list(arguments), prog_name="guosuo", standalone_mode=False)

    return _guarded(work, fail)


def _guarded(work: Callable[[], object], fail: Callable[[int, str, str], int]) -> int:
    try:
        code = work()
    except (typer.Abort, KeyboardInterrupt):
        return fail(INTERRUPTED, "interrupted", "interrupted")
    except typer.TyperException as error:
        # Without arguments the help was printed, and there is nothing more to say.
        return fail(MISUSE, "usage", _usage(error)) if error.format_message() else MISUSE
    except CallerError as error:
        code = FAILED if error.reason in _NOT_SHOWN else MISUSE
        return fail(code, error.reason.value, _words(error))
    except PeerError as error:
        return fail(REFUSED, error.reason.value, _words(error))
    except OSError as error:
        return fail(MISUSE, "system", _system(error))
    if code == INTERRUPTED:
        return fail(INTERRUPTED, "interrupted", "interrupted")
    return code if isinstance(code, int) else 0


def _words(error: GuosuoError) -> str:
    hint = error.hint or "what was read was refused: it is damaged, or not what it should be"
    if isinstance(error, PolicyError) and error.faults:
        hint += ": " + "; ".join(f"{fault.rule}: {fault.why}" for fault in error.faults)
    return f"{hint} ({error.reason.value})"


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    text = error.format_message().rstrip(".")
    return f"{text}; see {context.command_path} --help" if context else text


def _system(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"cannot read or write{place} ({(error.strerror or 'system error').lower()})"
