"""The first pass over a song: how long it is, and how each bag hears it.

A channel group is separated on its own, as if it were the song. Mono and stereo songs are one. 5.1
has three: the front pair, the centre and the surrounds, each with statistics of its own, so that a
quiet rear pair is scaled as a quiet song would be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.audio.channels import (
    group_channels,
    layout_is_known,
    to_model_channels,
)
from stemsplit.audio.info import StatsAccumulator, TrackStats
from stemsplit.audio.resample import resample_blocks
from stemsplit.engine.bag import Bag
from stemsplit.engine.mixture import Mixture
from stemsplit.models.spec import InputScaling
from stemsplit.stages import Stage, StageCallback, unheard


@dataclass(frozen=True, slots=True)
class Scaling:
    """The affine map that a model wants its input to go through, and the way back for each stem."""

    offset: float = 0.0
    scale: float = 1.0
    returning_scale: float = 1.0

    @classmethod
    def of(cls, stats: TrackStats, wanted: InputScaling | None) -> Scaling:
        if wanted is None:
            return cls()
        return cls(
            offset=stats.mean if wanted.centred else 0.0,
            scale=stats.std + wanted.floor,
            returning_scale=stats.std + (wanted.floor if wanted.floor_returns else 0.0),
        )

    def apply(self, mixture: Tensor) -> Tensor:
        return (mixture - self.offset) / self.scale

    def undo(self, estimate: Tensor) -> Tensor:
        return estimate * self.returning_scale + self.offset


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """The positions of its channels in the song, and the scaling that its statistics ask for."""

    channels: tuple[int, ...]
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class ModelInput:
    """How a bag hears a song: the channel groups, and the `low` channels that it does not hear."""

    bag: Bag
    groups: tuple[ChannelGroup, ...]
    low: tuple[int, ...]


def scan(
    mixture: Mixture, bags: Sequence[Bag], on_stage: StageCallback = unheard
) -> tuple[int, tuple[ModelInput, ...]]:
    """The song's true length in samples, and how each bag hears it.

    The statistics are those of a channel group as the model hears it, after resampling, because the
    reference implementation measures there. `on_stage` hears of each block.
    """
    source = _CountedSource(mixture, on_stage)
    groupings = [group_channels(mixture.channels, bag.num_channels) for bag in bags]
    wanted = [
        (bag, channels)
        for bag, grouping in zip(bags, groupings, strict=True)
        for channels in grouping.groups
    ]
    branches = fan_out(source.blocks(), len(wanted))
    heard = [
        to_model_input(branch, channels, mixture.sample_rate, bag)
        for (bag, channels), branch in zip(wanted, branches, strict=True)
    ]
    statistics = [StatsAccumulator() for _ in wanted]
    for blocks in itertools.zip_longest(*heard):  # a resampler may come out with one more block
        for (bag, _), measured, block in zip(wanted, statistics, blocks, strict=True):
            if block is not None:
                measured.add(bag.scaling.measured(block) if bag.scaling else block)
    groups = iter(
        ChannelGroup(channels, Scaling.of(measured.result(), bag.scaling))
        for (bag, channels), measured in zip(wanted, statistics, strict=True)
    )
    return source.num_samples, tuple(
        ModelInput(bag, tuple(itertools.islice(groups, len(grouping.groups))), grouping.low)
        for bag, grouping in zip(bags, groupings, strict=True)
    )


class _CountedSource:
    """A song's blocks, counted as they are played."""

    def __init__(self, mixture: Mixture, on_stage: StageCallback) -> None:
        self._mixture = mixture
        self._on_stage = on_stage
        self.num_samples = 0

    def blocks(self) -> Iterator[Tensor]:
        info = self._mixture.info
        for block in self._mixture.open_blocks():
            self.num_samples += block.shape[-1]
            self._on_stage(
                Stage(
                    kind="scanning",
                    name=self._mixture.name,
                    num_done=self.num_samples,
                    num_total=None if info is None else info.num_samples,
                )
            )
            yield block


def to_model_input(
    source: Iterator[Tensor], channels: Sequence[int], sample_rate: int, bag: Bag
) -> Iterator[Tensor]:
    """Some channels of the source [C, T] as the model wants them: its channels, then its rate."""
    return resample_blocks(
        (to_model_channels(block[list(channels)], bag.num_channels) for block in source),
        from_rate=sample_rate,
        to_rate=bag.sample_rate,
    )


def channel_notes(channels: Sequence[str], model_input: ModelInput, lfe_stem: str) -> list[str]:
    """How a song with more than two channels was taken apart, in one sentence."""
    if len(channels) <= 2:
        return []
    groups = ", ".join(
        "+".join(channels[i] for i in group.channels) for group in model_input.groups
    )
    unknown = "" if layout_is_known(channels) else " of an unknown layout"
    low = "".join(f"; {channels[i]} went to {lfe_stem} as it is" for i in model_input.low)
    return [f"{len(channels)} channels{unknown} were separated as {groups}{low}."]
