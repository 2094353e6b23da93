"""`stemsplit demo`: a song with known stems, split and scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stemsplit.cli.demo_speech import NoisySpeechOptions, write_noisy_speech
from stemsplit.cli.options.declare import like, options_of, takes
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.printer.command_events import DemoScored, StemScore, Waiting
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import printing
from stemsplit.cli.process import importing, prepare_to_compute
from stemsplit.cli.rounds import run_rounds
from stemsplit.cli.usage_checks import check_output
from stemsplit.cli.wav_files import write_wav_files
from stemsplit.hub.catalog import FALLBACK_MODEL
from stemsplit.hub.expression import catalogue_stems

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """With which model, and where to."""

    model: str = like(
        ModelOptions, "models", FALLBACK_MODEL, help="The model to run.", show_default=True
    )
    folder: Path = like(FileOptions, "folder", Path("stemsplit-demo"))


_NOISY = options_of(NoisySpeechOptions)


@takes(only={"model", "folder", *_NOISY, "device", "offline", "quiet", "debug"})
def demo(
    ctx: typer.Context,
    asked: DemoOptions,
    noisy: NoisySpeechOptions,
    device: DeviceOptions,
    network: NetworkOptions,
    messages: MessageOptions,
) -> None:
    """Make a short song with known stems, split it, and print how well that went."""
    set_up_logging(verbose=False, debug=messages.debug)
    show = ctx.with_resource(printing(quiet=messages.quiet, lists_files=False))
    check_output(asked.folder)
    noisy.check()
    if noisy.speech:
        if not write_noisy_speech(noisy, asked.folder, show):
            raise typer.Exit(1)
        return
    catalogue_stems(asked.model)  # raises for what can be no model
    show(Waiting("Loading PyTorch"))
    with importing():
        from stemsplit.audio.encode.encoders import Encoding
        from stemsplit.batch.job import Job
        from stemsplit.batch.song import Song
        from stemsplit.batch.template import DEFAULT_TEMPLATE
        from stemsplit.engine.plan import RunPlan
        from stemsplit.engine.session import open_session
        from stemsplit.evaluate.demo_song import make_demo_song

    plan = RunPlan(model=asked.model, offline=network.offline, devices=device.device)
    prepare_to_compute(None)
    session = open_session(plan, on_stage=show)
    show(Waiting("Making a song"))
    sources = make_demo_song()
    song = _write_song(sources, asked.folder)
    job = Job(
        song=Song(song),
        output_dir=asked.folder,
        template=DEFAULT_TEMPLATE,
        encoding=Encoding(container="wav", subtype="24"),
        clip="common",
    )
    (result,) = run_rounds([([job], session)], show)
    if result.status == "failed":
        raise typer.Exit(1)
    show(DemoScored(_scores(sources, result.outputs), song))


def _write_song(sources: Mapping[str, Tensor], folder: Path) -> Path:
    """The mixture's file; it and the true sources are written unless they are there already."""
    from stemsplit.evaluate.demo_song import SAMPLE_RATE

    song = folder / "song.wav"
    tracks = {folder / "sources" / f"{name}.wav": source for name, source in sources.items()}
    tracks[song] = _mixture(sources)
    missing = {path: track for path, track in tracks.items() if not path.exists()}
    if missing:
        write_wav_files(missing, sample_rate=SAMPLE_RATE)
    return song


def _mixture(sources: Mapping[str, Tensor]) -> Tensor:
    import torch

    return torch.stack(list(sources.values())).sum(dim=0)  # [C, T]


def _scores(sources: Mapping[str, Tensor], estimates: Mapping[str, Path]) -> list[StemScore]:
    """Of each stem, as far as there is a true one."""
    import torch

    from stemsplit.audio.source import read_blocks
    from stemsplit.evaluate.metrics import sdr

    mixture = _mixture(sources)
    scores = []
    for name, path in estimates.items():
        score = StemScore(name, path)
        if (true := sources.get(name)) is not None:
            estimate = torch.cat(list(read_blocks(path)), dim=-1)  # [C, T]
            score = StemScore(name, path, sdr(true, estimate), sdr(true, mixture))
        scores.append(score)
    return scores
