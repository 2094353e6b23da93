"""What is decided about a song before it is separated, and how estimates become its stems."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.engine.bag import Bag
from stemsplit.engine.meters import TrackMeters
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.model_input import ModelInput
from stemsplit.engine.outputs import Output
from stemsplit.engine.ranges import TrackRanges


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedBag:
    """What one bag of an ensemble does for a song.

    `weights`: its share of each wanted stem that it has a say in. `run`: the stems that its
    networks estimate for that. `hears`: which of the first bag's it takes apart, None for the song.
    `inputs`: one for each channel group; the `low` channels are in none of them.
    """

    bag: Bag
    weights: Mapping[str, float]
    run: tuple[str, ...]
    hears: str | None
    inputs: tuple[ModelInput, ...]
    low: tuple[int, ...]

    def stems(self, groups: Sequence[Tensor], mixture: Tensor) -> dict[str, Tensor]:
        """The wanted stems [C, T] of all channels, low ones silent.

        `groups`: the networks' stems [S, C, T] of each channel group, beside the mixture [C, T].
        """
        joined = self._joined(groups, len(mixture))
        found = dict(zip(self.run, joined, strict=True))
        for residual in set(self.weights) - set(self.run):  # one at most
            heard = mixture.clone()
            heard[list(self.low)] = 0
            found[residual] = heard - joined.sum(dim=0)
        return {stem: found[stem] for stem in self.weights}

    def _joined(self, groups: Sequence[Tensor], num_channels: int) -> Tensor:
        if len(groups) == 1 and not self.low:
            return groups[0]
        joined = torch.zeros(len(groups[0]), num_channels, groups[0].shape[-1])
        for model_input, stems in zip(self.inputs, groups, strict=True):
            joined[:, list(model_input.channels)] = stems
        return joined


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparationPlan:
    """All that is decided about a song before it is separated.

    `outputs`: what comes out, and `stems`: what is estimated for it, all of the model's if
    `is_complete`. `sample_rate`: of the outputs. `source_samples`: the song's true length.
    `warnings`: what the user should know.
    """

    mixture: Mixture
    outputs: tuple[Output, ...]
    stems: tuple[str, ...]
    is_complete: bool
    lfe_stem: str
    sample_rate: int
    source_samples: int
    bags: tuple[PlannedBag, ...]
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(output.name for output in self.outputs)

    @property
    def channels(self) -> tuple[str, ...]:
        return self.mixture.channels

    @property
    def ranges(self) -> TrackRanges:
        return self.bags[0].inputs[0].ranges

    @property
    def num_samples(self) -> int:
        """Length of the outputs."""
        return len(self.ranges.output_range)

    @property
    def first_second(self) -> int:
        """The second of the song from which it must be heard."""
        return min(each.first_second for each in self.inputs)

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """Those of all bags."""
        return tuple(itertools.chain.from_iterable(bag.inputs for bag in self.bags))

    @property
    def num_chunks(self) -> int:
        """Of all passes over all channel groups."""
        return sum(len(pass_.plan) for each in self.inputs for pass_ in each.passes)

    def combined(self, estimates: Sequence[Tensor], mixture: Tensor) -> Tensor:
        """The stems [S, C, T], from the estimates of all `inputs` and the mixture [C, T]."""
        combined = torch.zeros(len(self.stems), *mixture.shape)
        rest = iter(estimates)
        for bag in self.bags:
            groups = list(itertools.islice(rest, len(bag.inputs)))
            for stem, samples in bag.stems(groups, mixture).items():
                combined[self.stems.index(stem)].add_(samples, alpha=bag.weights[stem])
        if self.lfe_stem in self.stems:
            low = list(self.bags[0].low)
            combined[self.stems.index(self.lfe_stem), low] = mixture[low]
        return combined

    def new_meters(self) -> TrackMeters:
        return TrackMeters(
            outputs=self.names,
            stems=self.stems,
            complete=self.is_complete,
            channels=self.channels,
            sample_rate=self.sample_rate,
        )
