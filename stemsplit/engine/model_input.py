"""A song as the networks of a bag hear it, and their estimates as the song's: the way in and out.

A channel group is separated on its own, as if it were the song. Mono and stereo songs are one. 5.1
has three: the front pair, the centre and the surrounds, each with statistics of its own, so that a
quiet rear pair is scaled as a quiet song would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.channels import from_model_channels, to_model_channels
from stemsplit.audio.info import TrackStats
from stemsplit.audio.resample import resample_blocks
from stemsplit.dsp.overlap_add import StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.bag import Bag
from stemsplit.engine.passes import Pass, first_sample_read
from stemsplit.engine.ranges import TrackRanges
from stemsplit.models.spec import InputScaling


@dataclass(frozen=True, slots=True)
class Scaling:
    """The affine map that a model wants its input to go through, and the way back for each stem."""

    offset: float = 0.0
    scale: float = 1.0
    returning_scale: float = 1.0

    @classmethod
    def of(cls, stats: TrackStats, wanted: InputScaling) -> Scaling:
        level = (stats.peak if wanted.level == "peak" else stats.std) / wanted.target
        scale = level + wanted.floor
        if not scale:
            return cls()
        return cls(
            offset=stats.mean if wanted.centred else 0.0,
            scale=scale,
            returning_scale=level + (wanted.floor if wanted.floor_returns else 0.0),
        )

    def apply(self, mixture: Tensor) -> Tensor:
        return (mixture - self.offset) / self.scale

    def undo(self, estimate: Tensor) -> Tensor:
        return estimate * self.returning_scale + self.offset


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInput:
    """A channel group of a song, and the passes of a bag's networks over it.

    `channels`: its positions in the song. `scaling`: what its statistics ask for.
    """

    bag: Bag
    channels: tuple[int, ...]
    scaling: Scaling
    ranges: TrackRanges
    passes: tuple[Pass, ...]

    @property
    def first_second(self) -> int:
        """The second of the song from which it must be heard."""
        return self.ranges.first_second(first_sample_read(self.passes))

    @property
    def span(self) -> range:
        """The samples, at the model's rate, that are estimated."""
        return self.passes[0].plan.span

    @property
    def reach(self) -> range:
        """The samples, at the model's rate, that are heard for that."""
        plans = (pass_.plan for pass_ in self.passes)
        stops = (plan[len(plan) - 1].read_stop for plan in plans if len(plan))
        first = max(0, first_sample_read(self.passes))
        return range(first, min(max(stops, default=first), self.ranges.num_model_samples))

    def heard(self, source: Iterator[Tensor]) -> Iterator[Tensor]:
        """Blocks of the song [C, T] with the channels and at the rate of the model."""
        return to_model_input(source, self.channels, self.ranges.source_rate, self.bag)

    def heard_stem(self, estimates: Iterator[Tensor], index: int) -> Iterator[Tensor]:
        """Blocks of the stem at `index` of another model's estimates [S*C, T], at the same rate."""
        num_channels = len(self.channels)
        rows = slice(index * num_channels, (index + 1) * num_channels)
        return (to_model_channels(block[rows], self.bag.num_channels) for block in estimates)

    def window(self, heard: Iterator[Tensor], start: int) -> SlidingWindow:
        """Random access to what the model hears from its sample `start` on."""
        return SlidingWindow(
            heard,
            num_channels=self.bag.num_channels,
            num_samples=self.ranges.num_model_samples,
            start=start,
        )

    def restored(self, block: StemBlock, mixture: SlidingWindow | None) -> Tensor:
        """The estimates of a block with the scale and the channels of the song, [S*C, T].

        `mixture`: the song as the model hears it, for a bag with a mixer.
        """
        stems = self.scaling.undo(block.stems)  # [S, C, T]
        if self.bag.mixer is not None and mixture is not None:
            stems = self.bag.mixer.mix(stems, mixture.read(block.start, block.stop))
            mixture.forget(block.stop)
        return from_model_channels(stems, len(self.channels)).flatten(0, 1)

    def at_output_rate(self, estimates: Iterator[Tensor]) -> Iterator[StemBlock]:
        """The wanted range of a stream of estimates [S*C, T], with the output's rate: [S, C, T]."""
        model_rate, output_rate = self.ranges.model_rate, self.ranges.output_rate
        wanted = self.ranges.output_range
        # Exact: either the rates are equal, or the range begins where both have a sample.
        start = self.span.start * output_rate // model_rate
        for block in resample_blocks(estimates, from_rate=model_rate, to_rate=output_rate):
            # There and back, a resampled track may come out a few samples long: never short.
            kept = block[:, max(0, wanted.start - start) : max(0, wanted.stop - start)]
            if kept.shape[-1]:
                stems = kept.reshape(-1, len(self.channels), kept.shape[-1])  # [S, C, T]
                yield StemBlock(max(start, wanted.start), stems)
            start += block.shape[-1]


def to_model_input(
    source: Iterator[Tensor], channels: Sequence[int], sample_rate: int, bag: Bag
) -> Iterator[Tensor]:
    """Some channels of the source [C, T] as the model wants them: its channels, then its rate."""
    return resample_blocks(
        (to_model_channels(block[list(channels)], bag.num_channels) for block in source),
        from_rate=sample_rate,
        to_rate=bag.sample_rate,
    )
