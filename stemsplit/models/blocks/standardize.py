"""Zero mean and unit deviation, and the way back."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

# Keeps silence finite. The networks were trained with this value, so it is not ours to choose.
_EPSILON = 1e-5


class Standardized(NamedTuple):
    """(x - mean) / std of each item of a batch, and what it takes to undo that."""

    values: Tensor
    mean: Tensor
    std: Tensor


def standardize(x: Tensor, *, statistics_of: Tensor | None = None) -> Standardized:
    """`x` [B, ...] with the mean and deviation of each item removed, in x's own dtype.

    `statistics_of` [B, ...] is what the mean and deviation are taken of, where that is not x.
    """
    measured = x if statistics_of is None else statistics_of
    axes = tuple(range(1, measured.ndim))
    mean = measured.mean(dim=axes, keepdim=True)  # [B, 1, ...]
    # The unbiased deviation of a single value is NaN; it deviates by nothing.
    correction = min(1, measured[0].numel() - 1)
    std = measured.std(dim=axes, keepdim=True, correction=correction)  # [B, 1, ...]
    return Standardized((x - mean) / (_EPSILON + std), mean, std)
