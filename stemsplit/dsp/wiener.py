"""The multichannel Wiener filter: a mixture taken apart by what is known of each stem.

A stem is modelled bin by bin as a Gaussian vector over the channels with the covariance v R: v is
its power in that bin, R its spatial covariance, one matrix for each frequency, which says from
where the stem is heard. If all v and R were known, the best linear estimate of stem j in a mixture
x would be `v_j R_j (sum_k v_k R_k)^-1 x`. Expectation-maximisation finds them: from estimates
follow v and R, from these follow better estimates.

Duong, Vincent, Gribonval, "Under-determined reverberant audio source separation using a full-rank
spatial covariance model", IEEE TASLP 18(7), 2010, sections II and III; in the simplified form of
Nugraha, Liutkus, Vincent, "Multichannel music separation with deep neural networks", EUSIPCO 2016,
section 2, where R is the average of the estimates' own covariances, weighted by 1 / v.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

_MAX_CHANNELS = 2

# The regularisation is meant for spectrograms that stay below about this.
_LARGEST_MAGNITUDE = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WienerOptions:
    """How spectrograms become estimates; the defaults are those of Open-Unmix.

    * `num_iterations` of expectation-maximisation; 0 leaves the initial estimates.
    * `softmask`: initial estimates are the mixture times each stem's share of the sum of all
      spectrograms. Otherwise they have the spectrograms' magnitudes and the mixture's phase.
    * `residual`: one more stem, which begins as the mixture minus the others' initial estimates.
    * `window_frames`: spatial covariances are estimated anew for every so many frames, since
      mixes move; memory is that of one window. None: once for all frames.
    * `epsilon` keeps divisions finite, as a faint noise that no stem gets.
    """

    num_iterations: int = 1
    softmask: bool = False
    residual: bool = False
    window_frames: int | None = 300
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        if self.num_iterations < 0:
            raise ValueError(f"num_iterations must not be negative, got {self.num_iterations}")
        if self.window_frames is not None and self.window_frames < 1:
            raise ValueError(f"window_frames must be at least 1, got {self.window_frames}")


_DEFAULTS = WienerOptions()


def wiener(spectrograms: Tensor, mixture: Tensor, *, options: WienerOptions = _DEFAULTS) -> Tensor:
    """Estimates [B, S, C, F, N], complex, of a mixture's STFT [B, C, F, N], for 1 or 2 channels.

    `spectrograms` [B, S, C, F, N], not negative, say how strong each stem is in each bin; one
    channel instead of C stands for all. They are magnitudes; with `softmask` they may as well be
    powers, which without iterations gives the single-channel Wiener filter.
    """
    num_frames = mixture.shape[-1]
    window_frames = options.window_frames or max(1, num_frames)
    windows = [slice(i, i + window_frames) for i in range(0, num_frames, window_frames)]
    num_stems = spectrograms.shape[1] + options.residual
    shape = (mixture.shape[0], num_stems, *mixture.shape[1:])
    estimates = mixture.new_empty(shape)  # [B, S, C, F, N]
    for window in windows:
        part = mixture[..., window]
        initial = initial_estimates(spectrograms[..., window], part, options=options)
        estimates[..., window] = expectation_maximization(
            initial, part, num_iterations=options.num_iterations, epsilon=options.epsilon
        )
    return estimates


def initial_estimates(
    spectrograms: Tensor, mixture: Tensor, *, options: WienerOptions = _DEFAULTS
) -> Tensor:
    """Estimates [B, S, C, F, N] before any iteration. Arguments are those of `wiener`.

    Where the mixture is silent, so is the residual.
    """
    if options.softmask:
        total = spectrograms.sum(dim=1, keepdim=True)  # [B, 1, C, F, N]
        estimates = mixture[:, None] * (spectrograms / (options.epsilon + total))
    else:
        magnitude = mixture.abs()
        phase = torch.where(magnitude > 0, mixture / magnitude, 1)  # [B, C, F, N]
        estimates = spectrograms * phase[:, None]
    if options.residual:
        rest = mixture[:, None] - estimates.sum(dim=1, keepdim=True)
        estimates = torch.cat([estimates, rest], dim=1)
    return estimates  # [B, S, C, F, N]


def expectation_maximization(
    estimates: Tensor, mixture: Tensor, *, num_iterations: int = 1, epsilon: float = 1e-10
) -> Tensor:
    """Refined estimates [B, S, C, F, N] of a mixture's STFT [B, C, F, N], for 1 or 2 channels.

    One iteration that starts from the true stems gives the best that a filter with one spatial
    covariance for each stem and frequency can do: the multichannel oracle.
    """
    if mixture.shape[1] > _MAX_CHANNELS:
        raise ValueError(f"the filter takes 1 or 2 channels, got {mixture.shape[1]}")
    if num_iterations == 0 or estimates.numel() == 0:
        return estimates
    # Apple's GPUs have no float64.
    device = torch.device("cpu") if mixture.device.type == "mps" else mixture.device
    scale = (mixture.abs().amax(dim=(1, 2, 3), keepdim=True) / _LARGEST_MAGNITUDE).clamp(min=1)
    x = (mixture / scale).to(device)  # [B, C, F, N]
    refined = (estimates / scale[:, None]).to(device)  # [B, S, C, F, N]
    for _ in range(num_iterations):
        refined = _iterate(refined, x, epsilon)
    return refined.to(estimates.device) * scale[:, None]


def _iterate(estimates: Tensor, mixture: Tensor, epsilon: float) -> Tensor:
    """One step: each stem's model from its estimate, then the estimates from all models."""
    models = [_Model.of(estimate, epsilon) for estimate in estimates.unbind(dim=1)]
    # The mixture, multiplied by the inverse of its covariance, is the same for all stems.
    whitened = _whiten(mixture, models, noise=epsilon**0.5)
    heard = [model.hear(whitened).to(estimates.dtype) for model in models]
    return torch.stack(heard, dim=1)  # [B, S, C, F, N]


@dataclass(frozen=True, slots=True)
class _Model:
    """What is known of one stem: v as `power` [B, F, N] and R as `spatial` [C][C] of [B, F, 1].

    In float64. Where a mix is nearly mono, what is inverted is nearly singular: in float32, the
    estimates of a mono song were 14 dB away from the exact ones.
    """

    power: Tensor
    spatial: list[list[Tensor]]

    @classmethod
    def of(cls, estimate: Tensor, epsilon: float) -> _Model:
        """The model that an estimate [B, C, F, N] suggests."""
        channels = estimate.to(torch.complex128).unbind(dim=1)  # C of [B, F, N]
        power = _sum(_power(channel) for channel in channels) / len(channels)
        weight = epsilon + power.sum(dim=-1, keepdim=True)  # [B, F, 1]
        spatial = [
            [(a * b.conj()).sum(dim=-1, keepdim=True) / weight for b in channels] for a in channels
        ]
        return cls(power, spatial)

    def hear(self, whitened: list[Tensor]) -> Tensor:
        """The estimate [B, C, F, N]: v R times the mixture's channels [B, F, N], whitened."""
        rows = [_sum(r * z for r, z in zip(row, whitened, strict=True)) for row in self.spatial]
        return torch.stack([self.power * row for row in rows], dim=1)


def _whiten(mixture: Tensor, models: list[_Model], *, noise: float) -> list[Tensor]:
    """The channels [B, F, N] of (noise I + sum v R)^-1 x, in float64, for x [B, C, F, N]."""
    x = mixture.to(torch.complex128).unbind(dim=1)
    first = noise + _sum(model.power * model.spatial[0][0].real for model in models)
    if len(x) == 1:
        return [x[0] / first]
    second = noise + _sum(model.power * model.spatial[1][1].real for model in models)
    cross = _sum(model.power * model.spatial[0][1] for model in models)
    determinant = first * second - _power(cross)
    return [
        (second * x[0] - cross * x[1]) / determinant,
        (first * x[1] - cross.conj() * x[0]) / determinant,
    ]


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, terms)


def _power(bins: Tensor) -> Tensor:
    return bins.real.square() + bins.imag.square()
