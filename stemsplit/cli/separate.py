"""`stemsplit separate`, which is also what `stemsplit INPUT...` runs, and other commands run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import typer

from stemsplit.cli.models import list_models_of
from stemsplit.cli.options.asked import SeparateOptions
from stemsplit.cli.options.declare import takes
from stemsplit.cli.pipes import is_stdout
from stemsplit.cli.printer.command_events import Remark, Waiting
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import printing
from stemsplit.cli.process import importing
from stemsplit.cli.rounds import end_without_songs
from stemsplit.cli.usage_checks import (
    check_models,
    check_one_output,
    check_output,
    check_pages,
    check_preview,
    hopeless,
)
from stemsplit.engine.preference import Preference
from stemsplit.errors import UsageError
from stemsplit.hub.catalog import DEFAULT_MODELS


def run(ctx: typer.Context, asked: SeparateOptions) -> None:
    """Split songs into stems.

    Options that people know from demucs (--two-stems, --mp3, --other-method, -n, ...) work as well.
    """
    messages = asked.messages
    set_up_logging(verbose=messages.verbose, debug=messages.debug)
    if asked.model.list_models:
        list_models_of(asked.model.repo)
        return
    if not asked.inputs:
        example = {"separate": "song.mp3"}.get(asked.task, f"{asked.task} take.wav")
        raise UsageError("No song was named.", hint=f"Example: stemsplit {example}")
    plan, models = asked.plan(), asked.model.named()
    _check(asked, models)
    to_stdout = is_stdout(asked.folder, prints=messages.json or asked.dry_run or asked.with_pages)
    show = ctx.with_resource(
        printing(
            as_json=messages.json,
            quiet=messages.quiet,
            verbose=messages.verbose,
            lists_files=not to_stdout,
        )
    )
    for remark in asked.remarks():
        show(Remark(remark))
    if problems := hopeless(asked.inputs):
        end_without_songs(problems, asked.folder, show, dry_run=asked.dry_run)
    default = [] if plan.preference != Preference() else [DEFAULT_MODELS[plan.task][0]]
    known = models or default
    check_models(known, plan)
    if to_stdout:
        check_one_output(asked.inputs, known, plan)
    show(Waiting("Loading PyTorch"))
    with importing():
        from stemsplit.cli.separate_songs import separate_songs
    plans = [replace(plan, model=name) for name in models or (None,)]
    separate_songs(ctx, asked, plans, show)


separate = takes()(run)
"""The command. Others for speech call `run` with what they are asked."""


def _check(asked: SeparateOptions, models: Sequence[str]) -> None:
    """Raises UsageError for options that exclude each other, and files that cannot be."""
    asked.files.output_rate()
    asked.files.clip_policy()
    check_preview(
        preview=asked.preview,
        models=models,
        dry_run=asked.dry_run,
        start=asked.excerpt.start_seconds > 0,
        end=asked.excerpt.end_seconds is not None,
    )
    pages = asked.pages
    check_pages(with_pages=asked.with_pages, embed=pages.embed, open_page=pages.open_page)
    check_output(asked.folder)
