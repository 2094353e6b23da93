"""`stemsplit separate`, which is also what `stemsplit INPUT...` runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from stemsplit.cli.completion import complete_inputs
from stemsplit.cli.from_demucs import UselessOptions
from stemsplit.cli.models import list_models_of
from stemsplit.cli.options.declare import RUN, WHAT, argument, option, takes
from stemsplit.cli.options.files import FileOptions, PageOptions
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.pipes import STREAM, is_stdout
from stemsplit.cli.printer.command_events import Remark, Waiting
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import printing
from stemsplit.cli.process import importing
from stemsplit.cli.report import PREVIEW_FOLDER
from stemsplit.cli.rounds import end_without_songs
from stemsplit.cli.usage_checks import (
    check_models,
    check_one_output,
    check_output,
    check_pages,
    check_preview,
    hopeless,
)
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import Preference
from stemsplit.errors import UsageError
from stemsplit.hub.catalog import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparateOptions:
    """All that the command takes."""

    inputs: tuple[Path, ...] = argument(
        (),
        panel=WHAT,
        metavar="INPUT...",
        help="Songs, folders of songs, playlists of local files (.m3u, .m3u8), and cue sheets, "
        "which cut a file into tracks (.cue); - is stdin.",
        readable=False,  # one that cannot be read is one song that fails, not the end of all
        show_default=False,
        autocompletion=complete_inputs,
    )
    model: ModelOptions
    files: FileOptions
    pages: PageOptions
    device: DeviceOptions
    wanted: SeparationOptions
    excerpt: Excerpt
    dry_run: bool = option(
        False, panel=RUN, help="Only say what would be done, and about how long it takes."
    )
    preview: bool = option(
        False,
        panel=RUN,
        help="Separate only the busiest 20 seconds, with every --model, and write a page to "
        "compare them; all below FOLDER/preview.",
    )
    network: NetworkOptions
    messages: MessageOptions
    useless: UselessOptions

    @property
    def folder(self) -> Path:
        """Where the outputs go."""
        folder = self.files.folder
        return folder / PREVIEW_FOLDER if self.preview and folder != STREAM else folder

    @property
    def with_pages(self) -> bool:
        return self.pages.report or self.preview

    def plan(self) -> RunPlan:
        """What is to be done to each song; the model may be one of several."""
        stem_file = self.files.encoding().container == "stem.mp4"
        return RunPlan(
            preference=self.model.preference,
            options=replace(self.wanted, stem_file=stem_file),
            then=self.model.then,
            offline=self.network.offline,
            devices=self.device.device,
            precision=self.device.precision,
            batch_size=self.device.batch_size,
        )

    def remarks(self) -> Iterator[str]:
        """What is said about options that change nothing."""
        return self.useless.remarks(self.files.clip_mode)


@takes()
def separate(ctx: typer.Context, asked: SeparateOptions) -> None:
    """Split songs into stems.

    Options that people know from demucs (--two-stems, --mp3, --other-method, -n, ...) work as well.
    """
    messages = asked.messages
    set_up_logging(verbose=messages.verbose, debug=messages.debug)
    if asked.model.list_models:
        list_models_of(asked.model.repo)
        return
    if not asked.inputs:
        raise UsageError("No song was named.", hint="Example: stemsplit song.mp3")
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
    known = [DEFAULT_MODEL] if not models and plan.preference == Preference() else models
    check_models(known, plan)
    if to_stdout:
        check_one_output(asked.inputs, known, plan.options)
    show(Waiting("Loading PyTorch"))
    with importing():
        from stemsplit.cli.separate_songs import separate_songs
    plans = [replace(plan, model=name) for name in models or (None,)]
    separate_songs(ctx, asked, plans, show)


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
