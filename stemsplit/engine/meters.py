"""What is measured of a separation on the way.

Everything here is measured on the finished blocks, at the rate of the outputs and before the common
gain that a file format may need (`gain_db` in the record).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from stemsplit.dsp.levels import CorrelationMeter, Level, LevelMeter, energy
from stemsplit.dsp.loudness import LoudnessMeter
from stemsplit.engine.checks import Checks, SignalCheck

_SILENT_PEAK_DBFS = -80.0
"""Below it there is nothing but the rounding and the dither of 16 bits (-90 and -84 dBFS)."""

_MAX_RESIDUAL_DB = -6.0
"""A quarter of the song's energy. Errors of a separation that worked are mostly leaks from stem to
stem, which cancel in the sum; a network with the wrong weights leaves over about 0 dB."""

_MAX_SHARE = 4.0
"""Of the song's energy: 6 dB. Instruments are nearly uncorrelated, so none is louder than all of
them together, unless the network invents what it then must take away elsewhere."""

_SILENT_SHARE = 1e-6
"""60 dB below the song."""

_MAX_CORRELATION = 0.9
"""Four fifths of the energy are one signal then. True stems are at 0.1 or so, and even those of the
weak built-in model were at 0.65 at most, for two real songs and for single instruments."""

_MIN_SHARE = 0.01
"""20 dB below the song. Less is next to nothing: a faint copy of the piano in the drums of a piano
piece is no failure."""

_MAX_CLIPPED_RUNS_PER_SECOND = 10.0
"""In each channel. Loud masters have a few at every beat; this many are heard as distortion."""


class TrackMeters:
    """All meters of a track.

    `stems` are those of the model that are estimated; `complete` says that these are all it has.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[str],
        stems: Sequence[str],
        complete: bool,
        channels: Sequence[str],
        sample_rate: int,
    ) -> None:
        self._outputs = tuple(outputs)
        self._stems = tuple(stems)
        self._complete = complete
        self._num_channels = len(channels)
        self._sample_rate = sample_rate
        self._num_samples = 0
        num_signals = 1 + len(outputs)
        self._loudness = LoudnessMeter(
            num_signals=num_signals, channels=channels, sample_rate=sample_rate
        )
        self._levels = LevelMeter(num_signals=num_signals, num_channels=len(channels))
        self._correlation = CorrelationMeter(num_signals=len(stems))
        self._mixture_energy = 0.0
        self._residual_energy = 0.0

    def add(self, mixture: Tensor, stems: Tensor, outputs: Tensor) -> None:
        """Takes finished samples into account: [C, T], [S, C, T] and [O, C, T]."""
        # Blocks may be long; a second stays in the processor's cache from one meter to the next.
        pieces = (
            torch.split(signal, self._sample_rate, dim=-1) for signal in (mixture, stems, outputs)
        )
        for dry, separated, written in zip(*pieces, strict=True):
            self._num_samples += dry.shape[-1]
            heard = torch.cat([dry[None], written])  # [1 + O, C, T]
            self._loudness.add(heard)
            self._levels.add(heard)
            self._correlation.add(separated)
            self._mixture_energy += energy(dry)
            rest = dry.clone()
            for stem in separated:  # twice as fast as their sum over dimension 0
                rest -= stem
            self._residual_energy += energy(rest)

    def checks(self) -> Checks:
        """What the samples so far come to."""
        mixture, *outputs = map(_check, self._levels.levels(), self._loudness.integrated())
        return Checks(
            stems=dict(zip(self._outputs, outputs, strict=True)),
            mixture=mixture,
            correlation={
                "+".join(sorted(pair)): value for pair, value in self._correlations().items()
            },
            residual_db=self._residual_db(),
            suspicions=() if mixture.silent else tuple(self._suspicions()),
            notes=tuple(self._notes(mixture)),
        )

    def _suspicions(self) -> Iterator[str]:
        """Why the separation has probably failed.

        What a good one can look like is no reason: a stem may be silent because no one sings, or
        hold the whole song because it is a piano piece.
        """
        shares = self._shares()
        if not all(map(math.isfinite, shares.values())):
            yield "The stems have samples that are not finite numbers."
            return
        if self._complete and len(self._stems) > 1:  # one stem alone does not claim the whole song
            residual_db = self._residual_db()
            if max(shares.values()) < _SILENT_SHARE:
                yield "All stems are silent, and the song is not."
            elif residual_db is not None and residual_db > _MAX_RESIDUAL_DB:
                yield f"The stems leave over {residual_db:.1f} dB of the song."
        for stem, share in shares.items():
            if share > _MAX_SHARE:
                yield f"{stem} is {10 * math.log10(share):.1f} dB louder than the whole song."
        for (first, second), value in self._correlations().items():
            shared = min(shares[first], shares[second]) > _MIN_SHARE
            if value is not None and abs(value) > _MAX_CORRELATION and shared:
                yield f"{first} and {second} are nearly the same (correlation {value:.2f})."

    def _notes(self, mixture: SignalCheck) -> Iterator[str]:
        seconds = max(1.0, self._num_samples / self._sample_rate)
        num_runs = mixture.num_clipped_runs
        if num_runs > _MAX_CLIPPED_RUNS_PER_SECOND * seconds * self._num_channels:
            yield (
                f"The song is clipped in {num_runs} places: the stems have the distortion that it "
                "has."
            )

    def _shares(self) -> dict[str, float]:
        """The energy of each stem over the mixture's, which is not silent."""
        energies = self._correlation.energies()
        return {
            stem: energy / self._mixture_energy
            for stem, energy in zip(self._stems, energies, strict=True)
        }

    def _residual_db(self) -> float | None:
        """None for a silent mixture, an exact sum, infinite samples, and if a stem is missing."""
        if not self._complete or self._mixture_energy == 0:
            return None
        ratio = self._residual_energy / self._mixture_energy
        return 10 * math.log10(ratio) if 0 < ratio < math.inf else None

    def _correlations(self) -> dict[tuple[str, str], float | None]:
        return {
            (first, second): self._correlation.correlation(row, other)
            for (row, first), (other, second) in itertools.combinations(enumerate(self._stems), 2)
        }


def _check(level: Level, loudness_lufs: float | None) -> SignalCheck:
    peak_dbfs = level.peak_dbfs
    return SignalCheck(
        loudness_lufs=loudness_lufs if level.is_finite else None,
        peak_dbfs=peak_dbfs,
        num_clipped=level.num_clipped,
        num_clipped_runs=level.num_clipped_runs,
        silent=level.is_finite and (peak_dbfs is None or peak_dbfs < _SILENT_PEAK_DBFS),
    )
