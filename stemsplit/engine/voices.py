"""A voice is a group of channels that is separated on its own, as if it were the song.

Mono and stereo songs are one voice. 5.1 has three: the front pair, the centre and the surrounds,
each with statistics of its own, so that a quiet rear pair is scaled as a quiet song would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.audio.channels import ChannelGroups, layout_is_known, to_model_channels
from stemsplit.audio.info import StatsAccumulator, TrackStats
from stemsplit.audio.resample import resample_blocks
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture


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


def measure_voices(
    mixture: Mixture, ensemble: Ensemble, groups: ChannelGroups
) -> tuple[int, tuple[Voice, ...]]:
    """The first pass: the song's true length in samples, and its voices.

    The statistics are those of a voice as the model hears it, after resampling, because the
    reference implementation measures there.
    """
    num_samples = 0

    def counted() -> Iterator[Tensor]:
        nonlocal num_samples
        for block in mixture.open_blocks():
            num_samples += block.shape[-1]
            yield block

    heard = [
        hear(branch, channels, mixture.sample_rate, ensemble)
        for channels, branch in zip(
            groups.voices, fan_out(counted(), len(groups.voices)), strict=True
        )
    ]
    stats = [StatsAccumulator() for _ in groups.voices]
    for blocks in zip(*heard, strict=True):
        for accumulator, block in zip(stats, blocks, strict=True):
            accumulator.add(block)
    voices = [
        Voice(channels, Scaling.of(accumulator.result(), ensemble))
        for channels, accumulator in zip(groups.voices, stats, strict=True)
    ]
    return num_samples, tuple(voices)


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
