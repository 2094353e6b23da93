"""`stemsplit extract`."""

from __future__ import annotations

import typer

from stemsplit.cli.options.asked import ExtractOptions
from stemsplit.cli.options.declare import takes
from stemsplit.cli.separate import run


@takes()
def extract(ctx: typer.Context, asked: ExtractOptions) -> None:
    """Take one voice out of a recording of several: the one that a reference has.

    Writes target, and with --residual rest as well.
    """
    run(ctx, asked.separation())
