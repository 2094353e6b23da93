"""Programme loudness: ITU-R BS.1770-4, which EBU R 128 and the streaming services build on."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

_TABLE_RATE = 48_000
_STAGES = (
    # b0, b1, b2, a1, a2 of BS.1770-4, annex 1, tables 1 and 2: the head, then the high-pass.
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)

_HOPS_PER_SECOND = 10
_HOPS_PER_GATE = 4
"""Gating blocks of 400 ms that overlap by three quarters: annex 1."""

_FRAME_SECONDS = 0.7
"""At least this much is transformed at once. Shorter costs more overlap, longer more cache."""

_OFFSET_LU = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE = 0.1  # 10 LU

_SURROUND_WEIGHT = 1.41
_AT_THE_SIDES = {"SL", "SR", "SDL", "SDR", "SSL", "SSR", "WL", "WR"}
_AT_THE_BACK = {"BL", "BR"}
_LOW = {"LFE", "LFE2"}


class LoudnessMeter:
    """Integrated loudness of several signals at once, which arrive in blocks of any size.

    The filter is a product with its frequency response, in frames that begin with 0.1 s of the
    past. The impulse response has ended by then (at 48 kHz it has 1e-9 of a step left), so this is
    the filter of the standard, in a fraction of the time that a recursion would take in Python.
    """

    def __init__(self, *, num_signals: int, channels: Sequence[str], sample_rate: int) -> None:
        weights = channel_weights(channels)
        # Nothing is a signal that cannot be transformed, so if none counts all are kept, as zero.
        self._heard = [i for i, weight in enumerate(weights) if weight] or [*range(len(weights))]
        self._weights = torch.tensor([weights[index] for index in self._heard]).double()  # [C]
        self._hop = max(1, round(sample_rate / _HOPS_PER_SECOND))
        n_fft = 2 ** math.ceil(math.log2(_FRAME_SECONDS * _HOPS_PER_SECOND * self._hop))
        self._response = k_weighting(sample_rate, n_fft).to(torch.complex64)  # [F]
        # One hop of the past, new samples up to `_filled`, and silence from `_frame_stop` on.
        self._frame = torch.zeros(num_signals, len(self._heard), n_fft)  # [N, C, T]
        self._frame_stop = n_fft // self._hop * self._hop
        self._filled = self._hop
        # The energy of each hop, not as tensors: small ones that stay would keep the allocator from
        # reusing the space of large ones that go (400 MiB for 20 minutes were seen).
        self._energies = [array("d") for _ in range(num_signals)]

    def add(self, signals: Tensor) -> None:
        """Takes the next samples [N, C, T] into account."""
        if len(self._heard) < signals.shape[1]:
            signals = signals[:, self._heard]
        position = 0
        while position < signals.shape[-1]:
            count = min(self._frame_stop - self._filled, signals.shape[-1] - position)
            new = signals[..., position : position + count]
            self._frame[..., self._filled : self._filled + count] = new
            self._filled += count
            position += count
            if self._filled == self._frame_stop:
                for energies, rest in zip(self._energies, self._measure(), strict=True):
                    energies.extend(rest)
                past = self._frame[..., self._frame_stop - self._hop : self._frame_stop]
                self._frame[..., : self._hop] = past
                self._filled = self._hop

    def integrated(self) -> list[float | None]:
        """The loudness of each signal so far in LUFS.

        None where nothing is above the gate of -70 LUFS, and for signals shorter than 0.4 s.
        """
        self._frame[..., self._filled :] = 0
        num_hops = self._filled // self._hop - 1
        return [
            _gated(torch.tensor([*energies, *rest[:num_hops]], dtype=torch.float64) / self._hop)
            for energies, rest in zip(self._energies, self._measure(), strict=True)
        ]

    def _measure(self) -> list[list[float]]:
        """The weighted energy [N][hops] of each hop of the frame but the first."""
        spectra = torch.fft.rfft(self._frame).mul_(self._response)  # [N, C, F]
        filtered = torch.fft.irfft(spectra, self._frame.shape[-1])[..., self._hop :]  # [N, C, T]
        hops = filtered[..., : self._frame_stop - self._hop].unfold(-1, self._hop, self._hop)
        levels = torch.linalg.vector_norm(hops, dim=-1).double()  # [N, C, hops]
        energies: list[list[float]] = (self._weights @ levels.square()).tolist()  # [N, hops]
        return energies


def k_weighting(sample_rate: int, n_fft: int) -> Tensor:
    """The frequency response [F] of the standard's two filters, complex128, at any rate.

    The standard has coefficients for 48 kHz and asks for the same frequency response at other
    rates, and that is what this is: a recursive filter could only come near it. Above 24 kHz, where
    the filters at 48 kHz have no say, it stays what it is there.
    """
    frequency = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft  # Hz
    angle = (2 * math.pi * frequency / _TABLE_RATE).clamp(max=math.pi)
    delay = torch.polar(torch.ones_like(angle), -angle)  # 1 / z
    response = torch.ones_like(delay)
    for b0, b1, b2, a1, a2 in _STAGES:
        response *= (b0 + (b1 + b2 * delay) * delay) / (1 + (a1 + a2 * delay) * delay)
    return response


def channel_weights(channels: Sequence[str]) -> list[float]:
    """How much each channel counts: BS.1770-4, annexes 1 and 3.

    Names are those of `stemsplit.audio.channels`. Those at the sides (60 to 120 degrees, not above)
    count 1.41, all others 1, low-frequency effects nothing. `BL` and `BR` are at the sides in 5.1
    (110 degrees) and behind where there are side channels too.
    """
    sides = _AT_THE_SIDES | (set() if "SL" in channels else _AT_THE_BACK)
    return [
        0.0 if name in _LOW else _SURROUND_WEIGHT if name in sides else 1.0 for name in channels
    ]


def _gated(energies: Tensor) -> float | None:
    """The loudness in LUFS of a signal with these mean squares [K] of its hops."""
    if len(energies) < _HOPS_PER_GATE:
        return None
    gates = energies.unfold(0, _HOPS_PER_GATE, 1).mean(dim=-1)  # [gating blocks]
    audible = gates[gates > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET_LU) / 10)]
    if not len(audible):
        return None
    foreground = audible[audible > audible.mean() * _RELATIVE_GATE]
    return _OFFSET_LU + 10 * math.log10(foreground.mean()) if len(foreground) else None
