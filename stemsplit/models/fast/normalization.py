"""Group normalisation with one group, of tensors whose features come last.

Its sums are over up to a million rows, and after silence nearly all of those are alike: in float32
they would round the same way each time, and the errors would add up instead of cancelling.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

_SLAB_VALUES = 1 << 18
"""What is summed in float64 at once: 2 MiB, which stay in the cache."""


def normalize(x: Tensor, norm: nn.GroupNorm, *, dims: tuple[int, ...]) -> Tensor:
    """x [B, N, ..., D] with mean 0 and deviation 1 over `dims`, and then the gains of `norm`."""
    mean, variance = _moments(x, dims)
    gain = norm.weight * torch.rsqrt(variance + norm.eps).float()
    centered = x - mean.float()
    return torch.addcmul(norm.bias, centered, gain, out=centered)


def in_float64(x: Tensor) -> Iterator[Tensor]:
    """x [B, N, ...] in float64, in pieces along N."""
    for piece in torch.split(x, max(1, _SLAB_VALUES * x.shape[1] // max(1, x.numel())), dim=1):
        yield piece.double()


def _moments(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and variance over `dims`, which stay as axes of 1, in float64.

    Of float32 values, so far from zero that the squares cancel, float64 still keeps enough.
    """
    shape = [1 if dim in dims else size for dim, size in enumerate(x.shape)]
    total, squares = x.new_zeros(2, *shape, dtype=torch.float64)
    for piece in in_float64(x):
        total += _sum(piece, dims)
        squares += _sum(piece.square_(), dims)
    count = x.numel() // total.numel()
    mean = total / count
    return mean, (squares / count - mean.square()).clamp_(min=0)


def _sum(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    # One axis after the other: the reduction over several at once is slow where they are apart.
    for dim in dims:
        x = x.sum(dim=dim, keepdim=True)
    return x
