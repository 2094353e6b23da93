"""The `stemsplit` command, its default command and its one error boundary."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from stemsplit.cli import bench, demo, denoise, doctor, evaluate, extract, models, report, separate
from stemsplit.cli.guess import check_first_word, closest_options
from stemsplit.cli.help import HelpfulCommand, HelpfulGroup
from stemsplit.cli.printer.console import ERROR, escaped, plain, say
from stemsplit.cli.process import Stopped, stoppable
from stemsplit.errors import StemsplitError, one_line
from stemsplit.quoting import reason
from stemsplit.version import __version__

_DEFAULT = "separate"

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


@contextmanager
def errors_told() -> Iterator[None]:
    """The error boundary: an error becomes one line and an exit code."""
    try:
        yield
    except StemsplitError as error:
        if debugging():
            raise
        say(f"{ERROR} {plain(str(error))}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt as stop:
        say("Interrupted: unfinished tracks left no files behind.")
        raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else 130) from None
    except Exception as error:
        if hasattr(error, "format_message"):
            _tell_usage(error)
        # Typer's own exceptions carry an exit code or end the program; the rest are ours.
        if hasattr(error, "exit_code") or isinstance(error, typer.Abort) or debugging():
            raise
        say(f"[bold red]Unexpected {type(error).__name__}:[/] {plain(one_line(reason(error)))}")
        say("This is a defect of stemsplit: --debug shows where it happened.")
        raise typer.Exit(1) from None


def _tell_usage(error: Any) -> None:
    """Says in one line what Typer found wrong with the options; nothing if it wants help shown."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return
    context = getattr(error, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context is not None else ""
    message = error.format_message().strip().replace(": Value error, ", ": ")
    if type(error).__name__ == "NoSuchOption":
        message = error.message + closest_options(error.option_name, error.possibilities or ())
    full_stop = "" if message.endswith((".", "?", "!")) else "."
    say(f"{ERROR} {escaped(message + full_stop + hint)}")
    raise typer.Exit(error.exit_code)


class StemsplitGroup(HelpfulGroup):
    """Adds the default command, and the error boundary."""

    def make_context(self, *args: Any, **settings: Any) -> Any:
        with errors_told():
            return super().make_context(*args, **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own_options = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0] not in self.commands and args[0] not in own_options:
            if not ctx.resilient_parsing:  # as for completion, where words are half typed
                check_first_word(args, self.commands)
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Commands, and the options of the default one."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            default = self.commands[_DEFAULT]
            with default.make_context(_DEFAULT, [], parent=ctx, resilient_parsing=True) as context:
                found += default.shell_complete(context, incomplete)
        return found

    def invoke(self, ctx: Any) -> Any:
        with errors_told(), stoppable():
            return super().invoke(ctx)


app = typer.Typer(
    cls=StemsplitGroup,
    help=_EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in (
    (_DEFAULT, separate.separate),
    ("denoise", denoise.denoise),
    ("extract", extract.extract),
    ("demo", demo.demo),
    ("bench", bench.bench),
    ("doctor", doctor.doctor),
    ("evaluate", evaluate.evaluate),
    ("report", report.report),
):
    app.command(_name, cls=HelpfulCommand)(_command)
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
