"""A voice is a group of channels that is separated on its own, as if it were the song.

Mono and stereo songs are one voice. 5.1 has three: the front pair, the centre and the surrounds,
each with statistics of its own, so that a quiet rear pair is scaled as a quiet song would be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.audio.channels import (
    ChannelGroups,
    group_channels,
    layout_is_known,
    to_model_channels,
)
from stemsplit.audio.info import StatsAccumulator, TrackStats
from stemsplit.audio.resample import resample_blocks
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.stages import Stage, StageCallback, unheard


@dataclass(frozen=True, slots=True)
class Scaling:
    """The affine map that a model wants its input to go through, and its inverse for each stem."""

    offset: float
    scale: float

    @classmethod
    def of(cls, stats: TrackStats, ensemble: Ensemble) -> Scaling:
        if ensemble.scaling == "none":
            return cls(0.0, 1.0)
        return cls(stats.mean, stats.std + 1e-8)  # the floor keeps a silent track finite

    def apply(self, mixture: Tensor) -> Tensor:
        return (mixture - self.offset) / self.scale

    def undo(self, estimate: Tensor) -> Tensor:
        return estimate * self.scale + self.offset


@dataclass(frozen=True, slots=True)
class Voice:
    """The positions of its channels in the song, and the scaling that its statistics ask for."""

    channels: tuple[int, ...]
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class Hearing:
    """How an ensemble hears a song: the voices, and the low channels that it does not hear."""

    ensemble: Ensemble
    groups: ChannelGroups
    voices: tuple[Voice, ...]


def measure_voices(
    mixture: Mixture, ensembles: Sequence[Ensemble], on_stage: StageCallback = unheard
) -> tuple[int, tuple[Hearing, ...]]:
    """The first pass: the song's true length in samples, and how each ensemble hears it.

    The statistics are those of a voice as the model hears it, after resampling, because the
    reference implementation measures there. `on_stage` hears of each block.
    """
    num_samples = 0

    def counted() -> Iterator[Tensor]:
        nonlocal num_samples
        for block in mixture.open_blocks():
            num_samples += block.shape[-1]
            on_stage(
                Stage(
                    kind="scanning",
                    name=mixture.name,
                    num_done=num_samples,
                    num_total=mixture.info.num_samples if mixture.info else None,
                )
            )
            yield block

    groups = [group_channels(mixture.channels, ensemble.num_channels) for ensemble in ensembles]
    voices = [
        (ensemble, channels)
        for ensemble, group in zip(ensembles, groups, strict=True)
        for channels in group.voices
    ]
    heard = [
        hear(branch, channels, mixture.sample_rate, ensemble)
        for (ensemble, channels), branch in zip(
            voices, fan_out(counted(), len(voices)), strict=True
        )
    ]
    stats = [StatsAccumulator() for _ in voices]
    for blocks in itertools.zip_longest(*heard):  # a resampler may come out with one more block
        for (ensemble, _), accumulator, block in zip(voices, stats, blocks, strict=True):
            if block is not None:
                together = ensemble.scaling == "samples"
                accumulator.add(block.reshape(1, -1) if together else block)
    measured = iter(
        Voice(channels, Scaling.of(accumulator.result(), ensemble))
        for (ensemble, channels), accumulator in zip(voices, stats, strict=True)
    )
    return num_samples, tuple(
        Hearing(ensemble, group, tuple(itertools.islice(measured, len(group.voices))))
        for ensemble, group in zip(ensembles, groups, strict=True)
    )


def hear(
    source: Iterator[Tensor], channels: Sequence[int], sample_rate: int, ensemble: Ensemble
) -> Iterator[Tensor]:
    """Some channels of the source [C, T] as the model wants them: its channels, then its rate."""
    return resample_blocks(
        (to_model_channels(block[list(channels)], ensemble.num_channels) for block in source),
        from_rate=sample_rate,
        to_rate=ensemble.sample_rate,
    )


def channel_notes(channels: Sequence[str], groups: ChannelGroups, lfe_stem: str) -> list[str]:
    """How a song with more than two channels was taken apart, in one sentence."""
    if len(channels) <= 2:
        return []
    voices = ", ".join("+".join(channels[i] for i in voice) for voice in groups.voices)
    unknown = "" if layout_is_known(channels) else " of an unknown layout"
    low = "".join(f"; {channels[i]} went to {lfe_stem} as it is" for i in groups.low)
    return [f"{len(channels)} channels{unknown} were separated as {voices}{low}."]
