"""All that `stemsplit separate` takes, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stemsplit.cli.completion import complete_inputs
from stemsplit.cli.from_demucs import UselessOptions
from stemsplit.cli.options.declare import RUN, WHAT, argument, option
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions, PageOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.pipes import STREAM
from stemsplit.cli.report import PREVIEW_FOLDER
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan


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
