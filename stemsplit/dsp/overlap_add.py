"""The project's one overlap-add."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.dsp.chunking import Chunk, ChunkPlan


@dataclass(frozen=True, slots=True)
class StemBlock:
    """Finished audio: stems [S, C, T] that begin at sample `start` of the track."""

    start: int
    stems: Tensor

    @property
    def stop(self) -> int:
        return self.start + self.stems.shape[-1]

    def split(self, position: int) -> tuple[StemBlock, StemBlock | None]:
        """What lies before the sample at `position`, and the rest if there is one."""
        if position >= self.stop:
            return self, None
        num_samples = position - self.start
        return (
            StemBlock(self.start, self.stems[..., :num_samples]),
            StemBlock(position, self.stems[..., num_samples:]),
        )


def aligned(streams: Sequence[Iterator[StemBlock]]) -> Iterator[tuple[StemBlock, ...]]:
    """One block of each stream at a time, cut so that they begin and end together.

    The streams cover the same samples, each in blocks of its own. The one that is furthest behind
    is asked for more, so no more is held than the longest of the blocks.

    Raises:
        ValueError: one of them ends before the others.
    """
    heads = [next(stream, None) for stream in streams]
    while all(head is not None for head in heads):
        stop = min(head.stop for head in heads if head is not None)
        cut = [head.split(stop) for head in heads if head is not None]
        yield tuple(block for block, _ in cut)
        heads = [rest or next(stream, None) for (_, rest), stream in zip(cut, streams, strict=True)]
    if any(head is not None for head in heads):
        raise ValueError("the streams do not end together")


class OverlapAdd:
    """Adds up weighted chunk estimates and hands out what no later chunk can change.

    Memory is one chunk, whatever the length of the track. Chunks come in the plan's order. What
    is handed out is right within `plan.span`; around it, chunks that were not wanted are missing,
    and samples of which they alone have a weight are not numbers.

    Estimates that are not `ordered` have their stems in any order. Each chunk's are put into that
    of the chunks before: the one by which they are nearest to them where both overlap. Where there
    is nothing to be heard, they stay as the chunk before was put.
    """

    def __init__(
        self, plan: ChunkPlan, *, num_stems: int, num_channels: int, ordered: bool = True
    ) -> None:
        self._plan = plan
        self._ordered = ordered
        self._order = tuple(range(num_stems))
        self._sum = torch.zeros(num_stems, num_channels, plan.longest_chunk)  # [S, C, T]
        self._weight = torch.zeros(plan.longest_chunk)  # [T]
        self._num_added = 0

    def add(self, chunk: Chunk, estimate: Tensor) -> StemBlock:
        """The samples that `chunk`'s estimate [S, C, T] completes.

        That is everything from the chunk's start up to the start of the next one.
        """
        if chunk != self._plan[self._num_added]:
            raise ValueError(f"expected chunk {self._num_added} of the plan, got {chunk}")
        self._num_added += 1
        num_samples = chunk.num_samples
        weight = self._plan.weights(chunk)
        if not self._ordered:
            overlap = min(num_samples, self._plan.policy.overlap_samples)
            before, after = self._sum[..., :overlap], estimate[..., :overlap]
            self._order = _nearest_order(before, after, self._order)
            estimate = estimate[list(self._order)]
        self._sum[..., :num_samples] += weight * estimate
        self._weight[:num_samples] += weight
        last = self._num_added == len(self._plan)
        num_finished = num_samples if last else self._plan.policy.hop_samples
        total = self._sum[..., :num_finished]
        adds_up = self._plan.policy.adds_up
        block = total.clone() if adds_up else total / self._weight[:num_finished]
        self._advance(num_finished)
        return StemBlock(chunk.start, block)

    def _advance(self, num_samples: int) -> None:
        for total in (self._sum, self._weight):
            rest = total[..., num_samples:].clone()
            total[..., : rest.shape[-1]] = rest
            total[..., rest.shape[-1] :] = 0


def _nearest_order(before: Tensor, after: Tensor, order: tuple[int, ...]) -> tuple[int, ...]:
    """The order in which the stems of `after` are nearest to those of `before`, [S, C, T] both.

    If `order` is as near as any, it is that one. What `before` is multiplied by, such as the
    window, is how much a sample counts. All orders have the same energy, so the sum of squared
    differences is least where that of the products is greatest.
    """
    products: list[list[float]] = torch.einsum("ict,jct->ij", before, after).tolist()  # [S, S]

    def nearness(each: tuple[int, ...]) -> float:
        return sum(products[row][column] for row, column in enumerate(each))

    best = max(itertools.permutations(range(len(products))), key=nearness)
    return best if nearness(best) > nearness(order) else order
