"""The way of one bag over a track: what it hears, and what it says at the output's rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.audio.channels import from_model_channels
from stemsplit.audio.resample import resample_blocks
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.overlap_add import StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.bag import Mixer
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.passes import Pass, first_sample_read, plan_passes, run_passes
from stemsplit.engine.ranges import TrackRanges
from stemsplit.engine.scan import ChannelGroup, ModelInput, to_model_input


@dataclass(frozen=True, kw_only=True, slots=True)
class BagEstimator:
    """Ready to run: the same passes for each channel group. `stems` are the wanted ones."""

    model_input: ModelInput
    stems: tuple[str, ...]
    ranges: TrackRanges
    passes: Sequence[Pass]

    @classmethod
    def plan(
        cls,
        model_input: ModelInput,
        stems: Sequence[str],
        ranges: TrackRanges,
        options: SeparationOptions,
    ) -> BagEstimator:
        """The pass that estimates `stems` over the range that is wanted."""
        passes = plan_passes(
            model_input.bag,
            model_input.bag.stems_to_run(stems),
            ranges.num_model_samples,
            options,
            ranges.model_range,
        )
        return cls(model_input=model_input, stems=tuple(stems), ranges=ranges, passes=passes)

    @property
    def num_chunks(self) -> int:
        return len(self.model_input.groups) * sum(len(pass_.plan) for pass_ in self.passes)

    @property
    def first_second(self) -> int:
        """The second of the song from which it must be heard."""
        return self.ranges.first_second(first_sample_read(self.passes))

    def estimates(
        self,
        branches: Sequence[Iterator[Tensor]],
        first_second: int,
        runtime: Runtime,
        on_chunks: Callable[[int], None],
    ) -> Iterator[StemBlock]:
        """Blocks [S, C, T] of the networks' stems over the output's range, low channels silent.

        `branches`: the song [C, T] from `first_second` on, once for each channel group.
        """
        streams = [
            self._group(group, branch, first_second, runtime, on_chunks)
            for group, branch in zip(self.model_input.groups, branches, strict=True)
        ]
        for parts in zip(*streams, strict=True):  # all groups have the same chunks
            yield StemBlock(parts[0].start, self._joined([part.samples for part in parts]))

    def _joined(self, groups: Sequence[Tensor]) -> Tensor:
        """The stems [S, C, T] of all channels, from those of the groups."""
        low = self.model_input.low
        if len(groups) == 1 and not low:
            return groups[0]
        num_channels = sum(len(samples[0]) for samples in groups) + len(low)
        joined = torch.zeros(len(groups[0]), num_channels, groups[0].shape[-1])
        for group, samples in zip(self.model_input.groups, groups, strict=True):
            joined[:, list(group.channels)] = samples
        return joined

    def complete(self, estimates: Tensor, mixture: Tensor) -> Tensor:
        """The wanted stems [S, C, T], given the networks' and the mixture [C, T] at their rate."""
        run = self.model_input.bag.stems_to_run(self.stems)
        if self.stems == run:
            return estimates
        dry = mixture.clone()
        dry[list(self.model_input.low)] = 0
        named = dict(zip(run, estimates, strict=True))
        residual = dry - estimates.sum(dim=0)
        return torch.stack([named.get(stem, residual) for stem in self.stems])

    def _group(
        self,
        group: ChannelGroup,
        source: Iterator[Tensor],
        first_second: int,
        runtime: Runtime,
        on_chunks: Callable[[int], None],
    ) -> Iterator[StemBlock]:
        bag = self.model_input.bag

        def window(blocks: Iterator[Tensor]) -> SlidingWindow:
            return SlidingWindow(
                blocks,
                num_channels=bag.num_channels,
                num_samples=self.ranges.num_model_samples,
                start=first_second * bag.sample_rate,
            )

        heard = to_model_input(source, group.channels, self.ranges.source_rate, bag)
        if bag.mixer is not None:
            heard, again = fan_out(heard, 2)
            mixture = window(again)
        scaled = window(map(group.scaling.apply, heard))
        estimates: Iterator[StemBlock] = (
            StemBlock(block.start, group.scaling.undo(block.samples))
            for block in run_passes(self.passes, scaled, runtime, on_chunks)
        )
        if bag.mixer is not None:
            estimates = _mixed(bag.mixer, estimates, mixture)
        num_channels = len(group.channels)
        finished = (from_model_channels(block.samples, num_channels) for block in estimates)
        return self._resampled(finished, num_channels)

    def _resampled(self, blocks: Iterator[Tensor], num_channels: int) -> Iterator[StemBlock]:
        model_rate, output_rate = self.ranges.model_rate, self.ranges.output_rate
        wanted = self.ranges.output_range
        flat = resample_blocks(
            (block.flatten(0, 1) for block in blocks),  # [S*C, T]
            from_rate=model_rate,
            to_rate=output_rate,
        )
        # Exact: either the rates are equal, or the range begins where both have a sample.
        start = self.ranges.model_range.start * output_rate // model_rate
        for block in flat:
            # There and back, a resampled track may come out a few samples long: never short.
            kept = block[:, max(0, wanted.start - start) : max(0, wanted.stop - start)]
            if kept.shape[-1]:
                samples = kept.reshape(-1, num_channels, kept.shape[-1])  # [S, C, T]
                yield StemBlock(max(start, wanted.start), samples)
            start += block.shape[-1]


def _mixed(
    mixer: Mixer, estimates: Iterator[StemBlock], mixture: SlidingWindow
) -> Iterator[StemBlock]:
    for block in estimates:
        heard = mixture.read(block.start, block.stop)  # [C, T]
        mixture.forget(block.stop)
        yield StemBlock(block.start, mixer.mix(block.samples, heard))
