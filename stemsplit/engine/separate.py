"""The streaming loop: a mixture goes in block by block, finished outputs come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.audio.blocks import fan_out, skip
from stemsplit.audio.channels import from_model_channels, group_channels
from stemsplit.audio.resample import resample_blocks
from stemsplit.audio.stem_mp4 import stem_file_rate
from stemsplit.dsp.overlap_add import StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.lanes import Lane, first_sample_read, plan_lanes, run_lanes
from stemsplit.engine.mix import Output, OutputMix
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import (
    SeparationOptions,
    choose_lfe_stem,
    choose_outputs,
    needed_stems,
)
from stemsplit.engine.runtime import Runtime
from stemsplit.engine.timeline import Timeline, choose_range, range_warnings
from stemsplit.engine.voices import Voice, channel_notes, hear, measure_voices


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
    """

    def __init__(
        self,
        mixture: Mixture,
        ensemble: Ensemble,
        runtime: Runtime,
        options: SeparationOptions,
        *,
        on_progress: ProgressCallback | None = None,
    ) -> None:
        self.mixture = mixture
        self._ensemble = ensemble
        self._runtime = runtime
        self._options = options
        self._on_progress = on_progress
        self.outputs: tuple[Output, ...] = choose_outputs(ensemble.stems, options)
        self.sample_rate = _output_rate(mixture, ensemble, options)
        self.channels = mixture.channels
        self._lfe_stem = choose_lfe_stem(ensemble.stems, options)
        self._groups = group_channels(mixture.channels, ensemble.num_channels)
        self.source_samples, self._voices = measure_voices(mixture, ensemble, self._groups)
        self._timeline = Timeline(
            source_rate=mixture.sample_rate,
            model_rate=ensemble.sample_rate,
            output_rate=self.sample_rate,
            num_source_samples=self.source_samples,
            source_range=choose_range(mixture, self.source_samples, options),
        )
        self.num_samples = len(self._timeline.output_range)
        self.residual = ResidualMeter()
        self.warnings = [
            *ensemble.notes(options),
            *_length_warnings(mixture, self.source_samples),
            *range_warnings(mixture, self.source_samples, options),
            *channel_notes(mixture.channels, self._groups, self._lfe_stem),
            *_rate_notes(mixture, self.sample_rate, options),
        ]

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    def blocks(self) -> Iterator[StemBlock]:
        """Finished blocks [outputs, C, T] at `sample_rate`, `num_samples` in all, in order."""
        stems = needed_stems(self._ensemble.stems, self.outputs)
        passes = self._plan_passes(stems)
        source = skip(self.mixture.open_blocks(), passes.first_second * self.mixture.sample_rate)
        for_outputs, *for_voices = fan_out(source, 1 + len(self._voices))
        estimates = [
            self._estimates(voice, branch, passes)
            for voice, branch in zip(self._voices, for_voices, strict=True)
        ]
        mixture = self._at_output_rate(for_outputs, passes)
        mix = OutputMix(self.outputs, stems)
        complete = stems == self._ensemble.stems
        # All voices have the same chunks, so their blocks begin and end together.
        for parts in zip(*estimates, strict=True):
            start, stop = parts[0].start, parts[0].stop
            dry = mixture.read(start, stop)  # [C, T]
            mixture.forget(stop)
            separated = self._joined(parts, dry, stems)  # [S, C, T]
            if complete:
                self.residual.add(dry, separated.sum(dim=0))
            yield StemBlock(start - self._timeline.output_range.start, mix(dry, separated))

    def _plan_passes(self, stems: Sequence[str]) -> _Passes:
        lanes = plan_lanes(
            self._ensemble,
            stems,
            self._timeline.num_model_samples,
            self._options,
            self._timeline.model_range,
        )
        num_chunks = len(self._voices) * sum(len(lane.plan) for lane in lanes)
        return _Passes(
            lanes=lanes,
            first_second=self._timeline.first_second(first_sample_read(lanes)),
            progress=_ChunkCounter(num_chunks, self._on_progress),
        )

    def _estimates(
        self, voice: Voice, source: Iterator[Tensor], passes: _Passes
    ) -> Iterator[StemBlock]:
        """Blocks [S, C, T] of a voice's stems at the output's rate, over the output's range."""
        heard = hear(source, voice.channels, self.mixture.sample_rate, self._ensemble)
        window = SlidingWindow(
            map(voice.scaling.apply, heard),
            num_channels=self._ensemble.num_channels,
            num_samples=self._timeline.num_model_samples,
            start=passes.first_second * self._ensemble.sample_rate,
        )
        finished = (
            from_model_channels(voice.scaling.undo(block.samples), len(voice.channels))
            for block in run_lanes(passes.lanes, window, self._runtime, passes.progress.add)
        )  # [S, C, T]
        return self._resampled(finished, len(voice.channels))

    def _resampled(self, blocks: Iterator[Tensor], num_channels: int) -> Iterator[StemBlock]:
        wanted = self._timeline.output_range
        flat = resample_blocks(
            (block.flatten(0, 1) for block in blocks),  # [S*C, T]
            from_rate=self._ensemble.sample_rate,
            to_rate=self.sample_rate,
        )
        # Exact: either the rates are equal, or the range begins where both have a sample.
        start = self._timeline.model_range.start * self.sample_rate // self._ensemble.sample_rate
        for block in flat:
            # There and back, a resampled track may come out a few samples long: never short.
            kept = block[:, max(0, wanted.start - start) : max(0, wanted.stop - start)]
            if kept.shape[-1]:
                samples = kept.reshape(-1, num_channels, kept.shape[-1])  # [S, C, T]
                yield StemBlock(max(start, wanted.start), samples)
            start += block.shape[-1]

    def _joined(self, parts: Sequence[StemBlock], dry: Tensor, stems: Sequence[str]) -> Tensor:
        """The stems [S, C, T] of all channels, from those of the voices and the mixture [C, T]."""
        joined = torch.zeros(len(stems), *dry.shape)
        for voice, part in zip(self._voices, parts, strict=True):
            joined[:, list(voice.channels)] = part.samples
        if self._lfe_stem in stems:
            low = list(self._groups.low)
            joined[stems.index(self._lfe_stem), low] = dry[low]
        return joined

    def _at_output_rate(self, source: Iterator[Tensor], passes: _Passes) -> SlidingWindow:
        return SlidingWindow(
            resample_blocks(source, from_rate=self.mixture.sample_rate, to_rate=self.sample_rate),
            num_channels=self.num_channels,
            num_samples=self._timeline.num_output_samples,
            start=passes.first_second * self.sample_rate,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Passes:
    """The second pass as it was planned: the same lanes for each voice, from the same second on."""

    lanes: Sequence[Lane]
    first_second: int
    progress: _ChunkCounter


def _length_warnings(mixture: Mixture, num_samples: int) -> list[str]:
    missing = mixture.info.missing_samples(num_samples) if mixture.info else 0
    if not missing:
        return []
    promised, decoded = (
        count / mixture.sample_rate for count in (num_samples + missing, num_samples)
    )
    return [
        f"{mixture.name} seems cut off: its header promises {promised:.2f} s, {decoded:.2f} s "
        "could be decoded and were separated."
    ]


class ResidualMeter:
    """Energy of what the stems leave over, against the mixture's."""

    def __init__(self) -> None:
        self._residual = 0.0
        self._mixture = 0.0

    def add(self, mixture: Tensor, stem_sum: Tensor) -> None:
        self._residual += float((mixture - stem_sum).double().square().sum())
        self._mixture += float(mixture.double().square().sum())

    @property
    def level_db(self) -> float | None:
        """10 log10 of the ratio; None for a silent mixture or an exact sum."""
        if self._mixture == 0 or self._residual == 0:
            return None
        return 10 * math.log10(self._residual / self._mixture)


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


def _output_rate(mixture: Mixture, ensemble: Ensemble, options: SeparationOptions) -> int:
    if options.sample_rate == "source":
        return stem_file_rate(mixture.sample_rate) if options.stem_file else mixture.sample_rate
    if options.sample_rate == "model":
        return ensemble.sample_rate
    return options.sample_rate


def _rate_notes(mixture: Mixture, sample_rate: int, options: SeparationOptions) -> list[str]:
    if options.sample_rate != "source" or sample_rate == mixture.sample_rate:
        return []
    return [
        f"The stem file of {mixture.name} has {sample_rate} Hz in place of {mixture.sample_rate} "
        "Hz, which DJ software does not load."
    ]
