"""The way of one ensemble over a track: what it hears, and what it says at the output's rate."""

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
from stemsplit.engine.ensemble import Mixer
from stemsplit.engine.lanes import Lane, first_sample_read, plan_lanes, run_lanes
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.timeline import Timeline
from stemsplit.engine.voices import Hearing, Voice, hear


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsemblePass:
    """Ready to run: the same lanes for each voice. `stems` are those that are wanted of it."""

    hearing: Hearing
    stems: tuple[str, ...]
    timeline: Timeline
    lanes: Sequence[Lane]

    @classmethod
    def plan(
        cls,
        hearing: Hearing,
        stems: Sequence[str],
        timeline: Timeline,
        options: SeparationOptions,
    ) -> EnsemblePass:
        """The pass that estimates `stems` over what the timeline wants."""
        lanes = plan_lanes(
            hearing.ensemble,
            hearing.ensemble.stems_to_run(stems),
            timeline.num_model_samples,
            options,
            timeline.model_range,
        )
        return cls(hearing=hearing, stems=tuple(stems), timeline=timeline, lanes=lanes)

    @property
    def num_chunks(self) -> int:
        return len(self.hearing.voices) * sum(len(lane.plan) for lane in self.lanes)

    @property
    def first_second(self) -> int:
        """The second of the song from which it must be heard."""
        return self.timeline.first_second(first_sample_read(self.lanes))

    def estimates(
        self,
        branches: Sequence[Iterator[Tensor]],
        first_second: int,
        runtime: Runtime,
        on_chunks: Callable[[int], None],
    ) -> Iterator[StemBlock]:
        """Blocks [S, C, T] of the networks' stems over the output's range, low channels silent.

        `branches`: the song [C, T] from `first_second` on, once for each voice.
        """
        streams = [
            self._voice(voice, branch, first_second, runtime, on_chunks)
            for voice, branch in zip(self.hearing.voices, branches, strict=True)
        ]
        for parts in zip(*streams, strict=True):  # all voices have the same chunks
            yield StemBlock(parts[0].start, self._joined([part.samples for part in parts]))

    def _joined(self, voices: Sequence[Tensor]) -> Tensor:
        """The stems [S, C, T] of all channels, from those of the voices."""
        low = self.hearing.groups.low
        if len(voices) == 1 and not low:
            return voices[0]
        num_channels = sum(len(samples[0]) for samples in voices) + len(low)
        joined = torch.zeros(len(voices[0]), num_channels, voices[0].shape[-1])
        for voice, samples in zip(self.hearing.voices, voices, strict=True):
            joined[:, list(voice.channels)] = samples
        return joined

    def complete(self, estimates: Tensor, mixture: Tensor) -> Tensor:
        """The wanted stems [S, C, T], given the networks' and the mixture [C, T] at their rate."""
        run = self.hearing.ensemble.stems_to_run(self.stems)
        if self.stems == run:
            return estimates
        dry = mixture.clone()
        dry[list(self.hearing.groups.low)] = 0
        named = dict(zip(run, estimates, strict=True))
        residual = dry - estimates.sum(dim=0)
        return torch.stack([named.get(stem, residual) for stem in self.stems])

    def _voice(
        self,
        voice: Voice,
        source: Iterator[Tensor],
        first_second: int,
        runtime: Runtime,
        on_chunks: Callable[[int], None],
    ) -> Iterator[StemBlock]:
        ensemble = self.hearing.ensemble

        def window(blocks: Iterator[Tensor]) -> SlidingWindow:
            return SlidingWindow(
                blocks,
                num_channels=ensemble.num_channels,
                num_samples=self.timeline.num_model_samples,
                start=first_second * ensemble.sample_rate,
            )

        heard = hear(source, voice.channels, self.timeline.source_rate, ensemble)
        if ensemble.mixer is not None:
            heard, again = fan_out(heard, 2)
            mixture = window(again)
        scaled = window(map(voice.scaling.apply, heard))
        estimates: Iterator[StemBlock] = (
            StemBlock(block.start, voice.scaling.undo(block.samples))
            for block in run_lanes(self.lanes, scaled, runtime, on_chunks)
        )
        if ensemble.mixer is not None:
            estimates = _mixed(ensemble.mixer, estimates, mixture)
        num_channels = len(voice.channels)
        finished = (from_model_channels(block.samples, num_channels) for block in estimates)
        return self._resampled(finished, num_channels)

    def _resampled(self, blocks: Iterator[Tensor], num_channels: int) -> Iterator[StemBlock]:
        model_rate, output_rate = self.timeline.model_rate, self.timeline.output_rate
        wanted = self.timeline.output_range
        flat = resample_blocks(
            (block.flatten(0, 1) for block in blocks),  # [S*C, T]
            from_rate=model_rate,
            to_rate=output_rate,
        )
        # Exact: either the rates are equal, or the range begins where both have a sample.
        start = self.timeline.model_range.start * output_rate // model_rate
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
