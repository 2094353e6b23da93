"""Streams of audio blocks [C, T]."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def skip(blocks: Iterable[Tensor], num_samples: int) -> Iterator[Tensor]:
    """The same audio without its first `num_samples`."""
    for block in blocks:
        kept = block[:, num_samples:]
        num_samples = max(0, num_samples - block.shape[-1])
        if kept.shape[-1]:
            yield kept


def take(blocks: Iterable[Tensor], num_samples: int) -> Iterator[Tensor]:
    """The first `num_samples` of the audio; no more blocks than that takes."""
    for block in blocks:
        yield block[:, :num_samples]
        num_samples -= block.shape[-1]
        if num_samples <= 0:
            return


def fan_out(blocks: Iterable[Tensor], num_branches: int) -> list[Iterator[Tensor]]:
    """The same stream several times over; a block is kept until every branch has had it.

    (`itertools.tee` does this too, but lets go of what it was given by the 57 only.)
    """
    source = iter(blocks)
    queues: list[deque[Tensor]] = [deque() for _ in range(num_branches)]

    def branch(own: deque[Tensor]) -> Iterator[Tensor]:
        while True:
            if not own:
                block = next(source, None)
                if block is None:
                    return
                for queue in queues:
                    queue.append(block)
                del block
            yield own.popleft()

    return [branch(queue) for queue in queues]


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
