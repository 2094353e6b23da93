"""The `stemsplit` command, its default command and its one error boundary."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stemsplit.cli import bench, demo, doctor, evaluate, models, report, separate
from stemsplit.cli.console import plain, say
from stemsplit.cli.stop import Stopped, stoppable
from stemsplit.errors import StemsplitError
from stemsplit.version import __version__

_ROOT_OPTIONS = ("--help", "-h", "--version")

_EXAMPLES = """
Take finished songs apart.

    stemsplit song.mp3                        drums, bass, other and vocals
    stemsplit ~/Music/album -o stems          every song in a folder
    stemsplit song.mp3 --two-stems vocals     karaoke: vocals and no_vocals
    stemsplit song.mp3 -m htdemucs_ft --stems vocals --format flac

`stemsplit INPUT...` is short for `stemsplit separate INPUT...`; see `stemsplit separate --help`
for all of its options.
"""


def debugging() -> bool:
    """Whether tracebacks are wanted; asked before options are parsed, so it looks for itself."""
    return "--debug" in sys.argv


class StemsplitGroup(TyperGroup):
    """Adds the default command, and turns errors into one line and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _ROOT_OPTIONS:
            args = ["separate", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with stoppable():
                return super().invoke(ctx)
        except StemsplitError as error:
            if debugging():
                raise
            say(f"[bold red]Error:[/] {plain(str(error))}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as stop:
            say("Interrupted: unfinished tracks left no files behind.")
            raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else 130) from None
        except Exception as error:
            # Typer's own exceptions carry an exit code or end the program; the rest are ours.
            if hasattr(error, "exit_code") or isinstance(error, typer.Abort) or debugging():
                raise
            say(f"[bold red]Unexpected {type(error).__name__}:[/] {plain(str(error))}")
            say("This is a defect of stemsplit: --debug shows where it happened.")
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=StemsplitGroup,
    help=_EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("separate")(separate.separate)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stemsplit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    del version  # its callback has already answered
