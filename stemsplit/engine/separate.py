"""The streaming loop: a mixture goes in block by block, finished outputs come out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.audio.blocks import fan_out, skip
from stemsplit.audio.formats import SampleRate
from stemsplit.audio.resample import resample_blocks
from stemsplit.audio.write.stem_layout import stem_file_rate
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.overlap_add import StemBlock, aligned
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.checks import Checks, TrackMeters
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.estimate import BagEstimator
from stemsplit.engine.mix import OutputMix
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import (
    SeparationOptions,
    choose_lfe_stem,
    choose_outputs,
    needed_stems,
)
from stemsplit.engine.outputs import Output
from stemsplit.engine.passes import check_memory
from stemsplit.engine.ranges import TrackRanges, choose_range, range_warnings
from stemsplit.engine.scan import channel_notes, scan
from stemsplit.stages import StageCallback, unheard


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the current track is: chunks done of all chunks in all passes."""

    num_done: int
    num_chunks: int

    @property
    def share(self) -> float:
        return self.num_done / self.num_chunks if self.num_chunks else 1.0


ProgressCallback = Callable[[Progress], None]


class TrackSeparation:
    """The separation of one track, measured and planned, ready to stream.

    Making one reads the whole mixture once (the first pass). `blocks()` reads it again.
    `sample_rate`: of the outputs in Hz, or the source's, or the model's. `parents`: outputs or
    stems that something else will be made of. Those that are no outputs come after them.

    Raises:
        DeviceMemoryError: the chunks that the options ask for do not fit into memory.
    """

    def __init__(
        self,
        mixture: Mixture,
        ensemble: Ensemble,
        runtime: Runtime,
        options: SeparationOptions,
        *,
        sample_rate: SampleRate = "source",
        parents: Sequence[str] = (),
        on_progress: ProgressCallback | None = None,
        on_stage: StageCallback = unheard,
    ) -> None:
        self.mixture = mixture
        self._runtime = runtime
        self._options = options
        self._on_progress = on_progress
        self.outputs: tuple[Output, ...] = choose_outputs(ensemble.stems, options, parents)
        self.sample_rate = _output_rate(mixture, ensemble, options, sample_rate)
        self.channels = mixture.channels
        self._lfe_stem = choose_lfe_stem(ensemble.stems, options)
        self._stems = needed_stems(ensemble.stems, self.outputs)
        self._parts = [part for part in ensemble.parts if any(map(part.weights.get, self._stems))]
        self.source_samples, self._passes = self._first_pass(on_stage)
        for each in self._passes:
            check_memory(each.passes, runtime)
        self.num_samples = len(self._passes[0].ranges.output_range)
        self._meters = TrackMeters(
            outputs=[output.name for output in self.outputs],
            stems=self._stems,
            complete=self._stems == ensemble.stems,
            channels=self.channels,
            sample_rate=self.sample_rate,
        )
        self.warnings = [
            *ensemble.notes(options),
            *mixture.warnings,
            *range_warnings(mixture, self.source_samples),
            *channel_notes(mixture.channels, self._passes[0].model_input, self._lfe_stem),
            *_rate_notes(mixture, self.sample_rate, sample_rate),
        ]

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    @property
    def checks(self) -> Checks:
        """What was measured on the blocks that were handed out so far."""
        return self._meters.checks()

    def blocks(self) -> Iterator[StemBlock]:
        """Finished blocks [outputs, C, T] at `sample_rate`, `num_samples` in all, in order."""
        wanted = self._passes[0].ranges.output_range
        mixture, estimates = self._play()
        mix = OutputMix(self.outputs, self._stems)
        for blocks in aligned(estimates):
            start, stop = blocks[0].start, blocks[0].stop
            dry = mixture.read(start, stop)  # [C, T]
            mixture.forget(stop)
            separated = self._combined([block.samples for block in blocks], dry)  # [S, C, T]
            outputs = mix(dry, separated)  # [O, C, T]
            self._meters.add(dry, separated, outputs)
            yield StemBlock(start - wanted.start, outputs)

    def _first_pass(self, on_stage: StageCallback) -> tuple[int, list[BagEstimator]]:
        """The length of the song in samples, and the way of each part over it."""
        mixture = self.mixture
        num_samples, model_inputs = scan(mixture, [part.bag for part in self._parts], on_stage)
        source_range = choose_range(mixture, num_samples)
        return num_samples, [
            BagEstimator.plan(
                model_input,
                [stem for stem in self._stems if part.weights.get(stem)],
                TrackRanges(
                    source_rate=mixture.sample_rate,
                    model_rate=model_input.bag.sample_rate,
                    output_rate=self.sample_rate,
                    num_source_samples=num_samples,
                    source_range=source_range,
                ),
                self._options,
            )
            for part, model_input in zip(self._parts, model_inputs, strict=True)
        ]

    def _play(self) -> tuple[SlidingWindow, list[Iterator[StemBlock]]]:
        """The second pass: the mixture at the output's rate, and what each part makes of it."""
        first_second = min(each.first_second for each in self._passes)
        progress = _ChunkCounter(sum(each.num_chunks for each in self._passes), self._on_progress)
        num_groups = sum(len(each.model_input.groups) for each in self._passes)
        source = skip(self.mixture.open_blocks(), first_second * self.mixture.sample_rate)
        for_output, *for_groups = fan_out(source, 1 + num_groups)
        branches = iter(for_groups)
        estimates = [
            each.estimates(
                list(itertools.islice(branches, len(each.model_input.groups))),
                first_second,
                self._runtime,
                progress.add,
            )
            for each in self._passes
        ]
        mixture = SlidingWindow(
            resample_blocks(
                for_output, from_rate=self.mixture.sample_rate, to_rate=self.sample_rate
            ),
            num_channels=self.num_channels,
            num_samples=self._passes[0].ranges.num_output_samples,
            start=first_second * self.sample_rate,
        )
        return mixture, estimates

    def _combined(self, estimates: Sequence[Tensor], dry: Tensor) -> Tensor:
        """The stems [S, C, T], from what each part's networks say and the mixture [C, T]."""
        combined = torch.zeros(len(self._stems), *dry.shape)
        for part, each, estimate in zip(self._parts, self._passes, estimates, strict=True):
            for stem, samples in zip(each.stems, each.complete(estimate, dry), strict=True):
                combined[self._stems.index(stem)].add_(samples, alpha=part.weights[stem])
        if self._lfe_stem in self._stems:
            low = list(self._passes[0].model_input.low)
            combined[self._stems.index(self._lfe_stem), low] = dry[low]
        return combined


class _ChunkCounter:
    """Turns finished chunks into calls of the user's progress callback."""

    def __init__(self, num_chunks: int, callback: ProgressCallback | None) -> None:
        self._num_chunks = num_chunks
        self._num_done = 0
        self._callback = callback

    def add(self, count: int) -> None:
        self._num_done += count
        if self._callback is not None:
            self._callback(Progress(self._num_done, self._num_chunks))


def _output_rate(
    mixture: Mixture, ensemble: Ensemble, options: SeparationOptions, wanted: SampleRate
) -> int:
    if wanted == "source":
        return stem_file_rate(mixture.sample_rate) if options.stem_file else mixture.sample_rate
    return ensemble.sample_rate if wanted == "model" else wanted


def _rate_notes(mixture: Mixture, sample_rate: int, wanted: SampleRate) -> list[str]:
    if wanted != "source" or sample_rate == mixture.sample_rate:
        return []
    return [
        f"The stem file of {mixture.name} has {sample_rate} Hz in place of {mixture.sample_rate} "
        "Hz, which DJ software does not load."
    ]
