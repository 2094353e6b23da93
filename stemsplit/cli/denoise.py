"""`stemsplit denoise`."""

from __future__ import annotations

import typer

from stemsplit.cli.options.asked import DenoiseOptions
from stemsplit.cli.options.declare import takes
from stemsplit.cli.separate import run


@takes()
def denoise(ctx: typer.Context, asked: DenoiseOptions) -> None:
    """Take the noise out of speech, or of a voice take.

    Writes speech, and with --residual noise as well.
    """
    run(ctx, asked.separation())
