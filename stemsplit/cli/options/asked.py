"""All that `stemsplit separate`, `denoise` and `extract` take, and what it comes to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stemsplit.cli.completion import complete_inputs
from stemsplit.cli.from_demucs import UselessOptions
from stemsplit.cli.options.declare import RUN, SOUND, WHAT, argument, like, option
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions, PageOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.pipes import STREAM
from stemsplit.cli.report import PREVIEW_FOLDER
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.errors import UsageError
from stemsplit.hub.catalog import DEFAULT_MODELS, Task


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
    useless: UselessOptions = field(default_factory=UselessOptions)
    task: Task = "separate"
    reference: Path | None = None
    """Of the voice to extract: a file, or a folder with one for each input."""

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
            task=self.task,
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


def _strength(flag: str, text: str) -> float:
    """A share in [0, 1], or the most decibels that noise is taken down by, such as 12dB."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(dB)?", str(text).strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(
            f"{flag} {text!r} is no strength.",
            hint="Use a share between 0 and 1 such as 0.8, or decibels such as 12dB.",
        )
    value = float(match[1])
    return 1 - 10 ** (-value / 20) if match[2] else value


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechOptions:
    """What the commands for speech have in common with the one for songs."""

    files: FileOptions
    pages: PageOptions
    device: DeviceOptions
    excerpt: Excerpt
    dry_run: bool = like(SeparateOptions, "dry_run", False)
    network: NetworkOptions
    messages: MessageOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiseOptions:
    """All that `stemsplit denoise` takes."""

    inputs: tuple[Path, ...] = like(
        SeparateOptions,
        "inputs",
        (),
        help="Recordings, folders of recordings, playlists and cue sheets; - is stdin.",
    )
    models: tuple[str, ...] = like(
        ModelOptions,
        "models",
        (),
        metavar="NAME|PATH|hf://OWNER/REPO",
        help="The model to run, one of `stemsplit models list` that has the stem speech.",
        show_default="deepfilternet3, or what can be had in its place",
    )
    residual: bool = option(
        False, panel=WHAT, help="Also write noise, which is the recording minus speech."
    )
    strength: float = option(
        1.0,
        panel=SOUND,
        reads=_strength,
        metavar="0-1|dB",
        help="How much of the noise is taken out: a share such as 0.8, or the most that it is "
        "taken down by, such as 12dB.",
        show_default="1, all of it",
    )
    common: SpeechOptions

    def separation(self) -> SeparateOptions:
        """The same as what `stemsplit separate` would be asked."""
        return SeparateOptions(
            **_fields(self.common),
            inputs=self.inputs,
            model=ModelOptions(models=self.models),
            wanted=SeparationOptions(
                stems=("speech", "noise") if self.residual else ("speech",),
                strength=self.strength,
            ),
            task="denoise",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractOptions:
    """All that `stemsplit extract` takes."""

    inputs: tuple[Path, ...] = like(DenoiseOptions, "inputs", ())
    reference: Path | None = option(
        None,
        panel=WHAT,
        metavar="VOICE|FOLDER",
        help="A recording of the wanted voice alone, best ten seconds or more; or a folder with "
        "one for each input, of the same name.",
        show_default=False,
    )
    models: tuple[str, ...] = like(
        DenoiseOptions,
        "models",
        (),
        help="The model to run: one that listens to a reference, or one that tells speakers apart, "
        "of which the one most like the reference is taken, for each stretch of some seconds.",
        show_default=DEFAULT_MODELS["extract"][0],
    )
    residual: bool = option(
        False, panel=WHAT, help="Also write rest, which is the recording minus target."
    )
    common: SpeechOptions

    def separation(self) -> SeparateOptions:
        """The same as what `stemsplit separate` would be asked.

        Raises:
            UsageError: there is no reference.
        """
        if self.reference is None:
            raise UsageError(
                "No reference of the wanted voice was named.",
                hint="Example: stemsplit extract talk.wav --reference voice.wav",
            )
        return SeparateOptions(
            **_fields(self.common),
            inputs=self.inputs,
            model=ModelOptions(models=self.models),
            wanted=SeparationOptions(stems=("target", "rest") if self.residual else ("target",)),
            task="extract",
            reference=self.reference,
        )


def _fields(options: SpeechOptions) -> dict[str, Any]:
    return {each.name: getattr(options, each.name) for each in fields(options)}
