"""The `guosuo` command: parts, exit codes, and errors that say what to do.

Exit codes: 0 done; 1 a check failed or a show was not accepted; 2 misuse; 3 input
from outside was refused; 130 interrupted.
"""

from __future__ import annotations

import sys

import click
import typer
from rich.console import Console

from guosuo import __version__
from guosuo.cli.demo_command import demo
from guosuo.errors import CallerError, GuosuoError, PeerError

app = typer.Typer(
    name="guosuo",
    help="Verification of health credentials across regions: a checkpoint learns one verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo)


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
    console = Console(stderr=True)
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        code = _fail(console, "interrupted", 130)
    except KeyboardInterrupt:
        code = _fail(console, "interrupted", 130)
    except click.ClickException as error:
        error.show()
        code = 2
    except CallerError as error:
        code = _fail(console, _words(error), 2)
    except PeerError as error:
        code = _fail(console, _words(error), 3)
    sys.exit(code or 0)


def _words(error: GuosuoError) -> str:
    return f"{error.hint or 'refused'} ({error.reason.value})"


def _fail(console: Console, text: str, code: int) -> int:
    console.print(f"[red]guosuo:[/red] {text}", highlight=False)
    return code
