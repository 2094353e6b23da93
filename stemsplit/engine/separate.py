"""The streaming loop: a mixture goes in block by block, finished outputs come out."""

from __future__ import annotations

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
from stemsplit.engine.checks import Checks, TrackMeters
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
        self._stems = needed_stems(ensemble.stems, self.outputs)
        self._stems_to_run = ensemble.stems_to_run(self._stems)
        self._meters = TrackMeters(
            outputs=[output.name for output in self.outputs],
            stems=self._stems,
            complete=self._stems == ensemble.stems,
            channels=self.channels,
            sample_rate=self.sample_rate,
        )
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

    @property
    def checks(self) -> Checks:
        """What was measured on the blocks that were handed out so far."""
        return self._meters.checks()

    def blocks(self) -> Iterator[StemBlock]:
        """Finished blocks [outputs, C, T] at `sample_rate`, `num_samples` in all, in order."""
        passes = self._plan_passes()
        source = skip(self.mixture.open_blocks(), passes.first_second * self.mixture.sample_rate)
        for_outputs, *for_voices = fan_out(source, 1 + len(self._voices))
        estimates = [
            self._estimates(voice, branch, passes)
            for voice, branch in zip(self._voices, for_voices, strict=True)
        ]
        mixture = self._at_output_rate(for_outputs, passes)
        mix = OutputMix(self.outputs, self._stems)
        # All voices have the same chunks, so their blocks begin and end together.
        for parts in zip(*estimates, strict=True):
            start, stop = parts[0].start, parts[0].stop
            dry = mixture.read(start, stop)  # [C, T]
            mixture.forget(stop)
            separated = self._joined(parts, dry)  # [S, C, T]
            outputs = mix(dry, separated)  # [O, C, T]
            self._meters.add(dry, separated, outputs)
            yield StemBlock(start - self._timeline.output_range.start, outputs)

    def _plan_passes(self) -> _Passes:
        lanes = plan_lanes(
            self._ensemble,
            self._stems_to_run,
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

    def _joined(self, parts: Sequence[StemBlock], dry: Tensor) -> Tensor:
        """The stems [S, C, T] of all channels, from those of the voices and the mixture [C, T]."""
        joined = torch.zeros(len(self._stems_to_run), *dry.shape)
        for voice, part in zip(self._voices, parts, strict=True):
            joined[:, list(voice.channels)] = part.samples
        if self._lfe_stem in self._stems_to_run:
            low = list(self._groups.low)
            joined[self._stems_to_run.index(self._lfe_stem), low] = dry[low]
        if self._stems == self._stems_to_run:
            return joined
        estimates = dict(zip(self._stems_to_run, joined, strict=True))
        residual = dry - joined.sum(dim=0)  # includes the low channels, unless a stem has them
        return torch.stack([estimates.get(stem, residual) for stem in self._stems])

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
