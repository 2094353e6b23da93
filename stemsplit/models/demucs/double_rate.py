"""Twice the sample rate and back, as the networks heard it in training.

Smith's bandlimited interpolation (https://ccrma.stanford.edu/~jos/resample/) at fixed ratios: the
value between samples is a sum of sincs, here cut after 24 zero crossings by a squared cosine.
The filters are a hundred numbers, so they are made anew for each call.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_ZERO_CROSSINGS = 24
# The cut-off, as a share of the lower of the two Nyquist frequencies: a finite filter is not steep.
_ROLLOFF = 0.945
_BLOCK_WINDOWS = 16


def upsample_by_two(signal: Tensor) -> Tensor:
    """[..., T] -> [..., 2T]."""
    return _resample(signal, old_rate=1, new_rate=2)


def downsample_by_two(signal: Tensor) -> Tensor:
    """[..., T] -> [..., T // 2]."""
    return _resample(signal, old_rate=2, new_rate=1)


def _resample(signal: Tensor, *, old_rate: int, new_rate: int) -> Tensor:
    num_samples = signal.shape[-1]
    cutoff = min(old_rate, new_rate) * _ROLLOFF
    width = math.ceil(_ZERO_CROSSINGS * old_rate / cutoff)

    # One filter per output phase: the distance from each input sample to the output instant, in
    # zero crossings.
    taps = torch.arange(-width, width + old_rate, dtype=torch.float32, device=signal.device)
    phases = torch.arange(new_rate, dtype=torch.float32, device=signal.device)
    crossings = (taps / old_rate - phases[:, None] / new_rate) * cutoff  # [phases, taps]
    crossings = crossings.clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = torch.cos(math.pi / 2 * crossings / _ZERO_CROSSINGS) ** 2
    filters = torch.sinc(crossings) * window
    # A constant stays that constant.
    filters = (filters / filters.sum(dim=-1, keepdim=True)).to(signal.dtype)

    flat = signal.reshape(-1, 1, num_samples)  # [B * C, 1, T]
    # Room for the filter, and for as many windows as fill the last block.
    padded = F.pad(flat, (width, width + _BLOCK_WINDOWS * old_rate), mode="replicate")
    blocks = _in_blocks(filters, step=old_rate)  # [windows * phases, taps]
    out = F.conv1d(padded, blocks[:, None], stride=_BLOCK_WINDOWS * old_rate)
    out = out.transpose(1, 2).reshape(*signal.shape[:-1], -1)  # [..., >= T * new_rate / old_rate]
    return out[..., : num_samples * new_rate // old_rate]


def _in_blocks(filters: Tensor, *, step: int) -> Tensor:
    """The filters [phases, taps] at the next few positions, as if they were one bank of filters.

    [windows * phases, taps + (windows - 1) * step]. A convolution with one or two channels gives
    processors nothing to do in parallel: with sixteen times as many it takes a twentieth of the
    time, and gives the same numbers.
    """
    num_phases, num_taps = filters.shape
    bank = filters.new_zeros(_BLOCK_WINDOWS, num_phases, num_taps + (_BLOCK_WINDOWS - 1) * step)
    for index in range(_BLOCK_WINDOWS):
        bank[index, :, index * step : index * step + num_taps] = filters
    return bank.flatten(0, 1)
