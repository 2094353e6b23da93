"""Twice the sample rate and back, piece by piece, as the network heard it in training.

Between two samples lies a sum of sincs (Smith and Gossett, 1984), cut by a Hann window after
`ZERO_CROSSINGS` on either side. Upsampling adds these values between the samples; downsampling
takes the mean of each sample and of what the samples around it say about its place.

What comes in and goes out is [B, 1, T]. A function is given what is left of earlier samples, and
returns what is left for the next call with its result. `*_tail` is what is left of the silence
before a track, `*_end` how many samples of silence behind the track bring out its last ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ZERO_CROSSINGS = 56
_NUM_TAPS = 2 * ZERO_CROSSINGS

UPSAMPLE_TAIL, UPSAMPLE_END = ZERO_CROSSINGS - 1, ZERO_CROSSINGS
DOWNSAMPLE_TAIL, DOWNSAMPLE_END = 2 * ZERO_CROSSINGS, 2 * (ZERO_CROSSINGS - 1)


def upsample_by_two(fresh: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """Samples with those between them, up to `UPSAMPLE_END` before the end of `fresh`."""
    heard = torch.cat((tail, fresh), dim=-1)
    num_done = max(0, heard.shape[-1] - _NUM_TAPS + 1)
    samples = heard[..., ZERO_CROSSINGS - 1 : ZERO_CROSSINGS - 1 + num_done]
    result = torch.stack((samples, _between(heard, num_done)), dim=-1).flatten(-2)
    return result, heard[..., num_done:]


def downsample_by_two(fresh: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
    """Every other sample, up to `DOWNSAMPLE_END` before the end of `fresh`."""
    heard = torch.cat((tail, fresh), dim=-1)
    num_pairs = heard.shape[-1] // 2
    kept, between = (heard[..., first : 2 * num_pairs : 2] for first in (0, 1))
    num_done = max(0, num_pairs - _NUM_TAPS + 1)
    samples = kept[..., ZERO_CROSSINGS : ZERO_CROSSINGS + num_done]
    result = (samples + _between(between, num_done)) / 2
    return result, heard[..., 2 * num_done :]


def _between(signal: Tensor, num_values: int) -> Tensor:
    """The values in the middle of each run of `_NUM_TAPS` samples."""
    if num_values == 0:
        return signal[..., :0]
    distance = torch.arange(_NUM_TAPS, dtype=torch.float64) - ZERO_CROSSINGS + 0.5
    window = torch.cos(math.pi / 2 * distance / ZERO_CROSSINGS) ** 2
    taps = (torch.sinc(distance) * window).to(signal)
    return F.conv1d(signal, taps[None, None])
