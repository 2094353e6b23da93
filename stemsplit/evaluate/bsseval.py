"""BSS Eval v4: SDR, ISR, SIR and SAR of music separation papers from 2018 on.

E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source separation",
IEEE TASLP 14(4), 2006, for the decomposition; E. Vincent et al., "The signal separation evaluation
campaign (2007-2010)", Signal Processing 92(8), 2012, for images, that is for stereo sources and
ISR; F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign", LVA/ICA
2018, for version 4: one set of filters for the whole track, scores per second.

An estimate y of the source s_j is projected on all delays 0...511 of all channels of s_j (that is
P_j) and of all sources (P): y = s_j + (P_j - s_j) + (P - P_j) + (y - P), the truth, its spatial or
filtering distortion, the interference and the artefacts. Filters are fitted over the whole track;
then each second is cut out of the sources and filtered on its own. In dB:

    SDR = s_j over y - s_j      ISR = s_j over P_j - s_j
    SIR = P_j over P - P_j      SAR = P over y - P

SDR needs no filters at all. A second in which a source or an estimate is silent has no scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from stemsplit.evaluate.filters import NUM_TAPS, FilterBank, ProjectionFilters

MAX_CHANNELS = 16
"""Of all sources together. The normal equations take 8 x (512 x channels)^2 bytes: 512 MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BssEvalScores:
    """Scores in dB [K, N] of K estimates in N frames of a second; NaN where there is no score."""

    sdr: Tensor
    isr: Tensor
    sir: Tensor
    sar: Tensor


class BssEval:
    """BSS Eval v4 of any number of estimates of the same sources, which are prepared only once.

    `references` [S, C, T], none of them silent. Preparing the filters is one pass over the track,
    and then takes time and memory that do not depend on its length: for four stereo sources, 270
    MiB for a moment and half of it as long as this object lives.

    Raises:
        ValueError: a source is silent from end to end.
    """

    def __init__(self, references: Tensor, *, sample_rate: int) -> None:
        _check(references, references)
        self._references = references
        self._frames = list(_frames(references.shape[-1], sample_rate))
        self._silent = _silent_frames(references, self._frames)  # [N]

    @property
    def can_fit(self) -> bool:
        """Whether there is memory for the filters, without which there is only SDR."""
        return self._references.shape[0] * self._references.shape[1] <= MAX_CHANNELS

    def sdr(self, estimates: Tensor, targets: Sequence[int] | None = None) -> Tensor:
        """SDR alone [K, N] of `estimates` [K, C, T], of source `targets[k]` each (None: of k).

        Raises:
            ValueError: the shapes do not fit.
        """
        truth = self._truth(estimates, targets)
        columns = [
            _decibels(_energy(truth[..., a:b].double()), _energy(_error(truth, estimates, a, b)))
            for a, b in self._frames
        ]
        return self._masked(torch.stack(columns, dim=-1), estimates)

    def score(self, estimates: Tensor, targets: Sequence[int] | None = None) -> BssEvalScores:
        """All scores of `estimates` [K, C, T], of source `targets[k]` each (None: of k).

        Raises:
            ValueError: the shapes do not fit, or there are more channels than `MAX_CHANNELS`.
        """
        truth = self._truth(estimates, targets)
        targets = range(len(truth)) if targets is None else targets
        every, own = self._filters.fit(estimates, targets)
        to_every, to_own = FilterBank(every), [FilterBank(filters) for filters in own]
        columns = []
        for start, stop in self._frames:
            cut = self._references[..., start:stop]  # [S, C, W]
            projected = to_every(cut.flatten(0, 1))  # [K*C, W + L - 1]
            projected_own = torch.stack(
                [bank(cut[target]) for bank, target in zip(to_own, targets, strict=True)]
            )  # [K, C, W + L - 1]
            pair = truth[..., start:stop], estimates[..., start:stop]
            columns.append(_ratios(*pair, projected_own, projected.view_as(projected_own)))
        sdr, isr, sir, sar = self._masked(torch.stack(columns, dim=-1), estimates)  # [4, K, N]
        return BssEvalScores(sdr=sdr, isr=isr, sir=sir, sar=sar)

    @cached_property
    def _filters(self) -> ProjectionFilters:
        if not self.can_fit:
            raise ValueError(
                f"{self._references.shape[0]} sources with {self._references.shape[1]} channels: "
                f"BSS Eval has no memory for more than {MAX_CHANNELS} channels"
            )
        return ProjectionFilters(self._references)

    def _truth(self, estimates: Tensor, targets: Sequence[int] | None) -> Tensor:
        """What the estimates should be [K, C, T]."""
        truth = self._references if targets is None else self._references[list(targets)]
        _check(truth, estimates)
        return truth

    def _masked(self, scores: Tensor, estimates: Tensor) -> Tensor:
        """The scores [..., N] without those of frames in which something is silent."""
        silent = self._silent | _silent_frames(estimates, self._frames)
        return scores.masked_fill(silent, math.nan)


def median_over_frames(scores: Tensor) -> list[float]:
    """The median of each row of `scores` [K, N] over its frames with a score; NaN if it has none.

    Of an even number, the mean of the two in the middle.
    """
    rows = (row[~np.isnan(row)] for row in scores.numpy())
    return [float(np.median(row)) if row.size else math.nan for row in rows]


def is_silent(signals: Tensor) -> Tensor:
    """Whether [S] the sum of the channels of each of the signals [S, C, T] is zero throughout."""
    return (signals.double().sum(dim=-2) == 0).all(dim=-1)


def _ratios(truth: Tensor, estimate: Tensor, own: Tensor, every: Tensor) -> Tensor:
    """SDR, ISR, SIR and SAR [4, K] of one frame; the projections are longer than the signals."""
    tail = (0, NUM_TAPS - 1)
    truth = torch.nn.functional.pad(truth.double(), tail)  # [K, C, W + L - 1]
    estimate = torch.nn.functional.pad(estimate.double(), tail)
    return torch.stack(
        [
            _decibels(_energy(truth), _energy(estimate - truth)),
            _decibels(_energy(truth), _energy(own - truth)),
            _decibels(_energy(own), _energy(every - own)),
            _decibels(_energy(every), _energy(estimate - every)),
        ]
    )


def _error(truth: Tensor, estimates: Tensor, start: int, stop: int) -> Tensor:
    return estimates[..., start:stop].double() - truth[..., start:stop].double()


def _energy(signal: Tensor) -> Tensor:
    return signal.square().sum(dim=(-1, -2))


def _decibels(signal: Tensor, noise: Tensor) -> Tensor:
    return 10 * torch.log10(signal / noise)


def _frames(num_samples: int, sample_rate: int) -> Iterator[tuple[int, int]]:
    """Start and stop of each whole second; of a track that is no longer, the track."""
    if num_samples <= sample_rate:
        yield 0, num_samples
        return
    for start in range(0, num_samples - sample_rate + 1, sample_rate):
        yield start, start + sample_rate


def _silent_frames(signals: Tensor, frames: Sequence[tuple[int, int]]) -> Tensor:
    """Whether [N] any of the signals [S, C, T] is silent."""
    return torch.stack([is_silent(signals[..., start:stop]).any() for start, stop in frames])


def _check(references: Tensor, estimates: Tensor) -> None:
    if references.shape != estimates.shape or references.dim() != 3:
        raise ValueError(
            f"cannot compare sources of shape {tuple(references.shape)} with estimates of shape "
            f"{tuple(estimates.shape)}: both must be [S, C, T]"
        )
    if is_silent(references).any():
        raise ValueError("a source is silent from end to end: BSS Eval is not defined for it")
