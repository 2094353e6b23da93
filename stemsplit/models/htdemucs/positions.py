"""Sine positions, in the two layouts that the networks were trained with.

Always float32: in half precision, the phases of late positions would be wrong by radians.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def positions_1d(length: int, *, dim: int, max_period: float, device: torch.device) -> Tensor:
    """[T, D]: all cosines, then all sines; periods 2 pi to 2 pi * max_period, both included."""
    position = torch.arange(length, device=device)[:, None]
    index = torch.arange(dim // 2, device=device)
    phase = position / max_period ** (index / (dim // 2 - 1))  # [T, D / 2]
    return torch.cat([phase.cos(), phase.sin()], dim=-1)


def positions_2d(
    num_bins: int, num_frames: int, *, dim: int, max_period: float, device: torch.device
) -> Tensor:
    """[N * F, D], frame by frame: one half of the features tells the frame, the other the bin."""
    frames = _interleaved(num_frames, dim // 2, max_period, device)  # [N, D / 2]
    bins = _interleaved(num_bins, dim // 2, max_period, device)  # [F, D / 2]
    grid = (num_frames, num_bins, dim // 2)
    both = torch.cat([frames[:, None].expand(grid), bins[None].expand(grid)], dim=-1)  # [N, F, D]
    return both.flatten(0, 1)


def _interleaved(length: int, dim: int, max_period: float, device: torch.device) -> Tensor:
    """[T, D]: sine and cosine of one period side by side; all are below 2 pi * max_period."""
    position = torch.arange(length, dtype=torch.float32, device=device)[:, None]
    index = torch.arange(0, dim, 2, dtype=torch.float32, device=device)
    phase = position * torch.exp(index * (-math.log(max_period) / dim))  # [T, D / 2]
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)
