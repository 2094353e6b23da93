"""The streaming loop: a mixture goes in block by block, finished outputs come out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.channels import from_model_channels, to_model_channels
from stemsplit.audio.resample import resample_blocks, resampled_length
from stemsplit.audio.source import StatsAccumulator, TrackStats
from stemsplit.dsp.overlap_add import StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.lanes import plan_lanes, run_lanes
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import (
    Output,
    SeparationOptions,
    choose_outputs,
    needed_stems,
)
from stemsplit.engine.runtime import Runtime


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
        self.num_channels = mixture.num_channels
        self.source_samples, stats = _measure(mixture, ensemble)
        self._model_samples = stats.num_samples
        self._scaling = _Scaling.of(stats, ensemble)
        self.num_samples = resampled_length(
            self.source_samples, mixture.sample_rate, self.sample_rate
        )
        self.residual = ResidualMeter()
        self.warnings = [*ensemble.notes(options), *_length_warnings(mixture, self.source_samples)]

    def blocks(self) -> Iterator[StemBlock]:
        """Finished blocks [outputs, C, T] at `sample_rate`, `num_samples` in all, in order."""
        stems = needed_stems(self._ensemble.stems, self.outputs)
        for_network, for_outputs = itertools.tee(self.mixture.open_blocks())
        estimates = self._estimates(for_network, stems)
        mixture = self._at_output_rate(for_outputs)
        mix = _OutputMix(self.outputs, stems)
        complete = stems == self._ensemble.stems
        for block in estimates:
            dry = mixture.read(block.start, block.stop)  # [C, T]
            mixture.forget(block.stop)
            if complete:
                self.residual.add(dry, block.samples.sum(dim=0))
            yield StemBlock(block.start, mix(dry, block.samples))

    def _estimates(self, source: Iterator[Tensor], stems: Sequence[str]) -> Iterator[StemBlock]:
        """Blocks of the needed stems [S, C, T] at the output's rate and channels."""
        window = SlidingWindow(
            map(self._scaling.apply, _to_model(source, self.mixture, self._ensemble)),
            num_channels=self._ensemble.num_channels,
            num_samples=self._model_samples,
        )
        lanes = plan_lanes(self._ensemble, stems, self._model_samples, self._options)
        progress = _ChunkCounter(sum(len(lane.plan) for lane in lanes), self._on_progress)
        finished = (
            from_model_channels(self._scaling.undo(block.samples), self.num_channels)
            for block in run_lanes(lanes, window, self._runtime, progress.add)
        )  # [S, C, T]
        return self._resampled(finished, len(stems))

    def _resampled(self, blocks: Iterator[Tensor], num_stems: int) -> Iterator[StemBlock]:
        flat = resample_blocks(
            (block.flatten(0, 1) for block in blocks),  # [S*C, T]
            from_rate=self._ensemble.sample_rate,
            to_rate=self.sample_rate,
        )
        start = 0
        for block in flat:
            # There and back, a resampled track may come out a few samples long: never short.
            kept = block[:, : self.num_samples - start]
            kept = kept.reshape(num_stems, self.num_channels, -1)  # [S, C, T]
            if kept.shape[-1]:
                yield StemBlock(start, kept)
            start += kept.shape[-1]

    def _at_output_rate(self, source: Iterator[Tensor]) -> SlidingWindow:
        return SlidingWindow(
            resample_blocks(source, from_rate=self.mixture.sample_rate, to_rate=self.sample_rate),
            num_channels=self.num_channels,
            num_samples=self.num_samples,
        )


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


class _OutputMix:
    """Applies the outputs' gains to a block."""

    def __init__(self, outputs: Sequence[Output], stems: Sequence[str]) -> None:
        self.mixture_gains = [output.mixture_gain for output in outputs]
        self._stem_gains = [
            {stems.index(stem): gain for stem, gain in output.stem_gains.items()}
            for output in outputs
        ]

    def __call__(self, mixture: Tensor, stems: Tensor) -> Tensor:
        """Outputs [O, C, T] from a mixture [C, T] and its stems [S, C, T]."""
        out = mixture.new_zeros(len(self._stem_gains), *mixture.shape)
        gains = zip(out, self.mixture_gains, self._stem_gains, strict=True)
        for row, mixture_gain, stem_gains in gains:
            if mixture_gain:
                row.add_(mixture, alpha=mixture_gain)
            for index, gain in stem_gains.items():
                row.add_(stems[index], alpha=gain)
        return out


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
        return mixture.sample_rate
    if options.sample_rate == "model":
        return ensemble.sample_rate
    return options.sample_rate


def _to_model(source: Iterator[Tensor], mixture: Mixture, ensemble: Ensemble) -> Iterator[Tensor]:
    """Source blocks as the model wants them: its channels first, then its rate."""
    return resample_blocks(
        (to_model_channels(block, ensemble.num_channels) for block in source),
        from_rate=mixture.sample_rate,
        to_rate=ensemble.sample_rate,
    )


def _measure(mixture: Mixture, ensemble: Ensemble) -> tuple[int, TrackStats]:
    """The first pass: the source's true length, and the statistics that the model's input needs.

    The statistics are those of the mixture as the model hears it, after resampling, because the
    reference implementation measures there.
    """
    num_source_samples = 0

    def counted() -> Iterator[Tensor]:
        nonlocal num_source_samples
        for block in mixture.open_blocks():
            num_source_samples += block.shape[-1]
            yield block

    stats = StatsAccumulator()
    for block in _to_model(counted(), mixture, ensemble):
        stats.add(block)
    return num_source_samples, stats.result()


@dataclass(frozen=True, slots=True)
class _Scaling:
    """The affine map that a model wants its input to go through, and its inverse for each stem."""

    offset: float
    scale: float

    @classmethod
    def of(cls, stats: TrackStats, ensemble: Ensemble) -> _Scaling:
        if ensemble.scaling == "none":
            return cls(0.0, 1.0)
        return cls(stats.mean, stats.std + 1e-8)  # the floor keeps a silent track finite

    def apply(self, mixture: Tensor) -> Tensor:
        return (mixture - self.offset) / self.scale

    def undo(self, estimate: Tensor) -> Tensor:
        return estimate * self.scale + self.offset
