"""Streams of audio blocks [C, T]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def regroup(blocks: Iterable[Tensor], *, block_samples: int) -> Iterator[Tensor]:
    """The same audio in blocks of exactly `block_samples`, the last one excepted; none is empty."""
    held: list[Tensor] = []
    num_held = 0
    for block in blocks:
        held.append(block)
        num_held += block.shape[-1]
        if num_held < block_samples:
            continue
        joined = torch.cat(held, dim=-1)
        num_whole = num_held - num_held % block_samples
        for start in range(0, num_whole, block_samples):
            yield joined[:, start : start + block_samples]
        # A copy, so that a short rest does not keep the whole of `joined` alive.
        held = [joined[:, num_whole:].clone()]
        num_held -= num_whole
    if num_held:
        yield torch.cat(held, dim=-1)
