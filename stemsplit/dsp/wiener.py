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

Without the noise that keeps it finite it is that of Uhlich, Porcu, Giron, Enenkl, Kemp, Takahashi,
Mitsufuji, "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017, section 2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_MAX_CHANNELS = 2

# The regularisation is meant for spectrograms that stay below about this.
_LARGEST_MAGNITUDE = 10.0

_TINY = 2.0**-52
# A determinant of float64 below this share of what it is the difference of is nothing but rounding.
_ROUNDING = 1e-12


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
    * `noiseless`: there is no such noise, and levels count. A stem's power is everywhere at least
      `epsilon` times its largest one, and where the mixture's covariance has a determinant below
      `epsilon` it is taken for one of rank 1, with its pseudo-inverse for its inverse. So do the
      authors of D3Net, with transforms that are not scaled.
    """

    num_iterations: int = 1
    softmask: bool = False
    residual: bool = False
    window_frames: int | None = 300
    epsilon: float = 1e-10
    noiseless: bool = False

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
        estimates[..., window] = _refined(initial, part, options)
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


def wiener_in_parts(
    parts: Callable[[], Iterable[tuple[Tensor, Tensor]]], *, options: WienerOptions = _DEFAULTS
) -> Iterator[Tensor]:
    """The same for spectrograms and mixture in parts, [B, S, C, F, N'] and [B, C, F, N'] of them.

    With `window_frames` None, covariances are those of all parts, which `parts` gives once more for
    each iteration: no more than one part is in memory. Otherwise windows begin with each part.
    """
    if options.window_frames is not None:
        for spectrograms, mixture in parts():
            yield wiener(spectrograms, mixture, options=options)
        return

    def initial() -> Iterator[tuple[Tensor, Tensor]]:
        for spectrograms, mixture in parts():
            yield initial_estimates(spectrograms, mixture, options=options), mixture

    refined = _Refinement(epsilon=options.epsilon, noiseless=options.noiseless)
    for _ in range(options.num_iterations):
        refined = refined.iterated(initial())
    for estimates, mixture in initial():
        yield refined(estimates, mixture)


def expectation_maximization(
    estimates: Tensor, mixture: Tensor, *, num_iterations: int = 1, epsilon: float = 1e-10
) -> Tensor:
    """Refined estimates [B, S, C, F, N] of a mixture's STFT [B, C, F, N], for 1 or 2 channels.

    One iteration that starts from the true stems gives the best that a filter with one spatial
    covariance for each stem and frequency can do: the multichannel oracle.
    """
    options = WienerOptions(num_iterations=num_iterations, epsilon=epsilon)
    return _refined(estimates, mixture, options)


def _refined(estimates: Tensor, mixture: Tensor, options: WienerOptions) -> Tensor:
    if estimates.numel() == 0:
        return estimates
    refined = _Refinement(epsilon=options.epsilon, noiseless=options.noiseless)
    for _ in range(options.num_iterations):
        refined = refined.iterated([(estimates, mixture)])
    return refined(estimates, mixture)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refinement:
    """Some iterations whose covariances are known."""

    epsilon: float
    noiseless: bool
    level: Tensor | None = None
    """The largest magnitude [B, 1, 1, 1] in each mixture."""
    covariances: tuple[list[_Place], ...] = ()
    """Of each iteration, those of the stems."""

    def __call__(self, estimates: Tensor, mixture: Tensor) -> Tensor:
        """The refined estimates [B, S, C, F, N]."""
        if self.level is None:
            return estimates
        scale = self._scale(self.level)
        x = (mixture / scale).to(_device_for(mixture))  # [B, C, F, N]
        refined = (estimates / scale[:, None]).to(x.device)  # [B, S, C, F, N]
        for places in self.covariances:
            models = [
                _Model(_mean_power(estimate) + place.least_power, place.spatial)
                for estimate, place in zip(refined.unbind(dim=1), places, strict=True)
            ]
            # The mixture, multiplied by the inverse of its covariance, is the same for all stems.
            whitened = _whiten(x, models, epsilon=self.epsilon, noiseless=self.noiseless)
            heard = [model.hear(whitened).to(refined.dtype) for model in models]
            refined = torch.stack(heard, dim=1)  # [B, S, C, F, N]
        return refined.to(estimates.device) * scale[:, None]

    def iterated(self, parts: Iterable[tuple[Tensor, Tensor]]) -> _Refinement:
        """With one iteration more, of estimates and mixture that come in parts."""
        level, sums = self.level, None
        for estimates, mixture in parts:
            if mixture.shape[1] > _MAX_CHANNELS:
                raise ValueError(f"the filter takes 1 or 2 channels, got {mixture.shape[1]}")
            if self.level is None:
                loudest = mixture.abs().amax(dim=(1, 2, 3), keepdim=True)
                level = loudest if level is None else torch.maximum(level, loudest)
            refined = self(estimates, mixture).to(_device_for(mixture))
            part = [_Sums.of(stem) for stem in refined.unbind(dim=1)]
            sums = part if sums is None else [a + b for a, b in zip(sums, part, strict=True)]
        if level is None or sums is None:
            return self
        if self.noiseless:
            places = [each.place_above(self.epsilon) for each in sums]
        else:
            epsilon = self.epsilon * self._scale(level)[:, 0].to(sums[0].power).square()
            places = [_Place(each.spatial(epsilon), 0.0) for each in sums]
        return replace(self, level=level, covariances=(*self.covariances, places))

    def _scale(self, level: Tensor) -> Tensor:
        if self.noiseless:
            return torch.ones_like(level)
        return (level / _LARGEST_MAGNITUDE).clamp(min=1)


def _device_for(x: Tensor) -> torch.device:
    """Apple's GPUs have no float64."""
    return torch.device("cpu") if x.device.type == "mps" else x.device


# R [C][C] of a stem, each [B, F, 1].
_Spatial = list[list[Tensor]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a stem is heard, and what power [B, 1, 1] it has at least, everywhere."""

    spatial: _Spatial
    least_power: Tensor | float


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of an estimate's frames, in float64: products of channels [C][C] and power, each [B, F, 1].

    In float32, where a mix is nearly mono and what is inverted nearly singular, the estimates of a
    mono song were 14 dB away from the exact ones.
    """

    products: _Spatial
    power: Tensor
    largest_power: Tensor
    """Of all bins, [B, 1, 1]."""
    num_frames: int

    @classmethod
    def of(cls, estimate: Tensor) -> _Sums:
        """Those of an estimate [B, C, F, N]."""
        channels = estimate.to(torch.complex128).unbind(dim=1)  # C of [B, F, N]
        powers = [_power(each) for each in channels]
        products = [
            [(power if a is b else a * b.conj()).sum(dim=-1, keepdim=True) for b in channels]
            for a, power in zip(channels, powers, strict=True)
        ]
        power = _sum(products[index][index] for index in range(len(channels)))
        largest = _sum(powers).amax(dim=(1, 2), keepdim=True)
        num_frames = estimate.shape[-1]
        return cls(products, power / len(channels), largest / len(channels), num_frames)

    def __add__(self, other: _Sums) -> _Sums:
        rows = zip(self.products, other.products, strict=True)
        products = [[a + b for a, b in zip(*row, strict=True)] for row in rows]
        largest = torch.maximum(self.largest_power, other.largest_power)
        return _Sums(
            products, self.power + other.power, largest, self.num_frames + other.num_frames
        )

    def spatial(self, epsilon: Tensor) -> _Spatial:
        """R, for an `epsilon` [B, 1, 1]."""
        return [[each / (epsilon + self.power) for each in row] for row in self.products]

    def place_above(self, share: float) -> _Place:
        """The place, for a power of at least that share of the largest one in all bins."""
        least = share * self.largest_power
        return _Place(self.spatial(self.num_frames * least + _TINY), least)


@dataclass(frozen=True, slots=True)
class _Model:
    """What is known of one stem: v as `power` [B, F, N] and R, in float64."""

    power: Tensor
    spatial: _Spatial

    def hear(self, whitened: list[Tensor]) -> Tensor:
        """The estimate [B, C, F, N]: v R times the mixture's channels [B, F, N], whitened."""
        rows = [_sum(r * z for r, z in zip(row, whitened, strict=True)) for row in self.spatial]
        return torch.stack([self.power * row for row in rows], dim=1)


def _mean_power(estimate: Tensor) -> Tensor:
    """v [B, F, N] of an estimate [B, C, F, N], in float64."""
    return _sum(_power(channel) for channel in estimate.unbind(dim=1)) / estimate.shape[1]


def _whiten(
    mixture: Tensor, models: list[_Model], *, epsilon: float, noiseless: bool
) -> list[Tensor]:
    """The channels [B, F, N] of (noise I + sum v R)^-1 x, in float64, for x [B, C, F, N]."""
    noise = 0.0 if noiseless else epsilon**0.5
    x = mixture.to(torch.complex128).unbind(dim=1)
    first = noise + _sum(model.power * model.spatial[0][0].real for model in models)
    if len(x) == 1:
        return [x[0] / (first + _TINY if noiseless else first)]
    second = noise + _sum(model.power * model.spatial[1][1].real for model in models)
    cross = _sum(model.power * model.spatial[0][1] for model in models)
    determinant = first * second - _power(cross)
    whitened = [
        (second * x[0] - cross * x[1]) / determinant,
        (first * x[1] - cross.conj() * x[0]) / determinant,
    ]
    if not noiseless:
        return whitened
    # Of rank 1, the pseudo-inverse is the matrix itself, divided by the sum of its squares.
    squares = first.square() + second.square() + 2 * _power(cross) + _TINY
    along = [
        (first * x[0] + cross * x[1]) / squares,
        (second * x[1] + cross.conj() * x[0]) / squares,
    ]
    is_regular = determinant >= (_ROUNDING * first * second).clamp(min=epsilon)
    return [torch.where(is_regular, a, b) for a, b in zip(whitened, along, strict=True)]


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, terms)


def _power(bins: Tensor) -> Tensor:
    return bins.real.double().square() + bins.imag.double().square()
