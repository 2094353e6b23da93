"""One pass of one network over a track is a lane; bags and shifts are several lanes, averaged.

A bag of networks (Défossez 2021, section 4.3) averages their estimates with a weight per stem, and
the shift trick (Défossez et al. 2019, section 4.4) averages over shifted chunk grids. Both are
weighted sums of independent passes, so both are lanes, and the rest of the engine knows neither.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.dsp.chunking import Chunk, ChunkPlan
from stemsplit.dsp.overlap_add import OverlapAdd, StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.runtime import Runtime
from stemsplit.models.spec import Model

MAX_SHIFT_SECONDS = 0.5  # as in the reference implementation


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One model over one chunk grid.

    `rows` are the wanted stems' positions in the model's output; `shares` are this lane's parts of
    them: over all lanes of a track each stem's shares sum to one.
    """

    model: Model
    plan: ChunkPlan
    rows: tuple[int, ...]
    shares: tuple[float, ...]


def plan_lanes(
    ensemble: Ensemble,
    stems: Sequence[str],
    num_samples: int,
    options: SeparationOptions,
    wanted: range | None = None,
) -> tuple[Lane, ...]:
    """The passes that together estimate `stems` of the networks over a track of `num_samples`.

    `wanted`: only over these samples. Both are at the model's rate.
    """
    rows = tuple(ensemble.network_stems.index(stem) for stem in stems)
    totals = [sum(member.weights[row] for member in ensemble.members) for row in rows]
    num_grids = max(1, options.shifts)
    lanes = []
    for index, member in enumerate(ensemble.members):
        shares = tuple(
            member.weights[row] / total / num_grids for row, total in zip(rows, totals, strict=True)
        )
        policy = ensemble.policy(member.model, options)
        for origin in _origins(options, index, ensemble.sample_rate):
            plan = ChunkPlan(num_samples=num_samples, policy=policy, origin=origin, wanted=wanted)
            lanes.append(Lane(model=member.model, plan=plan, rows=rows, shares=shares))
    return tuple(lane for lane in lanes if any(lane.shares))


def run_lanes(
    lanes: Sequence[Lane],
    mixture: SlidingWindow,
    runtime: Runtime,
    on_chunks: Callable[[int], None],
) -> Iterator[StemBlock]:
    """Finished blocks of the wanted stems, in order and without gaps, over the lanes' span.

    The lane that is furthest behind always runs next, so that all of them stay within a chunk of
    each other and `mixture` can forget the past. `on_chunks` hears how many chunks were done.
    """
    runners = [_LaneRunner(lane, mixture, runtime) for lane in lanes]
    total = _RunningSum(lanes[0].plan.span.start)
    while runners and not all(runner.finished for runner in runners):
        slowest = min(runners, key=lambda runner: runner.position)
        for block in slowest.advance():
            total.add(block)
            on_chunks(1)
        position = min(runner.position for runner in runners)
        mixture.forget(min(runner.needs_from for runner in runners))
        if position > total.start:
            yield total.take(position)


def first_sample_read(lanes: Sequence[Lane]) -> int:
    """The first sample of the mixture that any of the lanes reads; it may lie before the track."""
    return min((lane.plan.needs_from(0) for lane in lanes if len(lane.plan)), default=0)


def _origins(options: SeparationOptions, member: int, sample_rate: int) -> list[int]:
    """Where each grid of a bag member begins, at or before sample 0."""
    if options.shifts == 0:
        return [0]
    max_shift = int(MAX_SHIFT_SECONDS * sample_rate)
    # Seeding by text is stable over Python versions and gives each member draws of its own.
    draws = random.Random(f"stemsplit shifts, seed {options.seed}, member {member}")
    return [draws.randint(0, max_shift) - max_shift for _ in range(options.shifts)]


class _LaneRunner:
    """Steps through one lane, a batch of chunks at a time."""

    def __init__(self, lane: Lane, mixture: SlidingWindow, runtime: Runtime) -> None:
        self._lane = lane
        self._mixture = mixture
        self._runtime = runtime
        self._chunks = list(lane.plan)
        self._num_done = 0
        self._shares = torch.tensor(lane.shares)[:, None, None]  # [S, 1, 1]
        self._overlap_add = OverlapAdd(
            lane.plan, num_stems=len(lane.rows), num_channels=mixture.num_channels
        )

    @property
    def finished(self) -> bool:
        return self._num_done == len(self._chunks)

    @property
    def position(self) -> int:
        """Samples before this one are finished."""
        span = self._lane.plan.span
        if self.finished:
            return span.stop
        return max(span.start, self._chunks[self._num_done].start)

    @property
    def needs_from(self) -> int:
        """The first sample of the mixture that is still to be read."""
        if self.finished:
            return self._lane.plan.span.stop
        return self._lane.plan.needs_from(self._num_done)

    def advance(self) -> Iterator[StemBlock]:
        """Runs the next batch: one block of weighted stems per chunk."""
        batch = self._next_batch()
        estimates = self._estimate(batch)
        for chunk, estimate in zip(batch, estimates, strict=True):
            block = self._overlap_add.add(chunk, chunk.trim(estimate))
            self._num_done += 1
            yield StemBlock(block.start, block.samples * self._shares)

    def _next_batch(self) -> list[Chunk]:
        """The next chunks that the network can see together: equally long ones."""
        upcoming = self._chunks[self._num_done : self._num_done + self._runtime.batch_size]
        num_samples = upcoming[0].num_read_samples
        return list(
            itertools.takewhile(lambda chunk: chunk.num_read_samples == num_samples, upcoming)
        )

    def _estimate(self, batch: Sequence[Chunk]) -> Tensor:
        """The network's estimates [B, S, C, T] of the wanted stems, on the CPU."""
        mixture = torch.stack([self._mixture.read_chunk(chunk) for chunk in batch])  # [B, C, T]
        return self._runtime.batch_limit.call(self._call_network, mixture)

    def _call_network(self, mixture: Tensor) -> Tensor:
        with self._runtime.network_context():
            estimate = self._lane.model(mixture.to(self._runtime.device))
            return estimate[:, list(self._lane.rows)].float().cpu()


class _RunningSum:
    """Adds blocks, as far as they lie at or after `start`, until they are taken from the front."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._sum: Tensor | None = None  # [S, C, T]

    def add(self, block: StemBlock) -> None:
        skipped = max(0, self.start - block.start)  # a grid may begin before what is wanted
        samples = block.samples[..., skipped:]
        begin = block.start + skipped - self.start
        if self._sum is None:
            self._sum = samples.new_zeros(*samples.shape[:2], 0)
        missing = begin + samples.shape[-1] - self._sum.shape[-1]
        if missing > 0:
            self._sum = torch.nn.functional.pad(self._sum, (0, missing))
        self._sum[..., begin : begin + samples.shape[-1]] += samples

    def take(self, stop: int) -> StemBlock:
        assert self._sum is not None  # run_lanes takes only what was added
        num_samples = stop - self.start
        block = StemBlock(self.start, self._sum[..., :num_samples])
        self._sum = self._sum[..., num_samples:].clone()
        self.start = stop
        return block
