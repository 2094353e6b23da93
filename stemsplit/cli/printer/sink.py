"""The one place to which commands tell what happens: `with printing(...) as show: show(event)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stemsplit.cli.printer.command_events import Preparing
from stemsplit.cli.printer.json_lines import JsonPrinter
from stemsplit.cli.printer.person import PersonPrinter
from stemsplit.stages import StageCallback

Show = Callable[[object], None]
"""Shows an event, in whichever way the user wants it."""


def preparing(show: Show) -> StageCallback:
    """Shows stages that come before what a command is about."""
    return lambda stage: show(Preparing(stage))


@contextmanager
def printing(
    *, as_json: bool = False, quiet: bool = False, verbose: bool = False, lists_files: bool = True
) -> Iterator[Show]:
    """What shows events as the options ask for; afterwards nothing moves on the terminal.

    `lists_files`: people are told on stdout where the outputs of a run are.
    """
    if as_json:
        yield JsonPrinter(quiet=quiet, verbose=verbose).show
        return
    printer = PersonPrinter(quiet=quiet, verbose=verbose, lists_files=lists_files)
    try:
        yield printer.show
    finally:
        printer.close()
