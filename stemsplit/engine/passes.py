"""A pass takes one network with one shift over a track; bags and shifts are several, averaged.

A bag of networks (Défossez 2021, section 4.3) averages their estimates with a weight per stem, and
the shift trick (Défossez et al. 2019, section 4.4) averages over shifted chunk grids. Both are
weighted sums of independent passes, and the rest of the engine knows neither.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.device.call import Call
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.chunking import Chunk, ChunkPlan, ChunkPolicy
from stemsplit.dsp.overlap_add import OverlapAdd, StemBlock
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.bag import Bag
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import Model

MAX_SHIFT_SECONDS = 0.5  # as in the reference implementation


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """One model over one chunk grid, for the wanted stems in which it has a say.

    `stem_indices` are these stems' positions in the model's output, `places` those among all that
    are wanted, and `weights` what the pass counts for them, none of which is 0: over all passes of
    a track each stem's weights sum to one.
    """

    model: Model
    plan: ChunkPlan
    stem_indices: tuple[int, ...]
    places: tuple[int, ...]
    weights: tuple[float, ...]


def plan_passes(
    bag: Bag,
    stems: Sequence[str],
    num_samples: int,
    options: SeparationOptions,
    wanted: range | None = None,
) -> tuple[Pass, ...]:
    """The passes that together estimate `stems` of the networks over a track of `num_samples`.

    `wanted`: only over these samples. Both are at the model's rate.
    """
    columns = [bag.network_stems.index(stem) for stem in stems]
    totals = [sum(member.weights[column] for member in bag.members) for column in columns]
    num_grids = max(1, options.shifts)
    passes = []
    for index, member in enumerate(bag.members):
        places = tuple(place for place, column in enumerate(columns) if member.weights[column] != 0)
        if not places:
            continue
        stem_indices = tuple(member.model.spec.stems.index(stems[place]) for place in places)
        weights = tuple(
            member.weights[columns[place]] / totals[place] / num_grids for place in places
        )
        policy = bag.policy(member.model, options)
        for origin in _origins(options, index, policy, bag.sample_rate):
            plan = ChunkPlan(num_samples=num_samples, policy=policy, origin=origin, wanted=wanted)
            passes.append(
                Pass(
                    model=member.model,
                    plan=plan,
                    stem_indices=stem_indices,
                    places=places,
                    weights=weights,
                )
            )
    return tuple(passes)


def run_passes(
    passes: Sequence[Pass],
    mixture: SlidingWindow,
    runtime: Runtime,
    on_chunks: Callable[[int], None],
) -> Iterator[StemBlock]:
    """Finished blocks [S, C, T] of the wanted stems, without gaps, over the passes' span.

    The pass that is furthest behind always goes next, so that all of them stay within a chunk of
    each other and `mixture` can forget the past. A few batches are on their way ahead of the one
    that is added up, so that the device works meanwhile. `on_chunks` hears how many chunks were
    done.
    """
    turn = runtime.queue.next_turn()
    runners = [_PassRunner(pass_, mixture, runtime, turn) for pass_ in passes]
    num_stems = 1 + max(place for pass_ in passes for place in pass_.places)
    total = _RunningSum(num_stems, mixture.num_channels, start=passes[0].plan.span.start)
    on_the_way: deque[tuple[_PassRunner, _Batch]] = deque()
    try:
        while True:
            while len(on_the_way) < runtime.queue.num_in_flight:
                slowest = min(runners, key=lambda runner: runner.position_sent)
                if slowest.all_sent:  # then all of them are
                    break
                on_the_way.append((slowest, slowest.send()))
                mixture.forget(min(runner.needs_from for runner in runners))
            if not on_the_way:
                return
            runner, part = on_the_way[0]
            for block in runner.add_up(part):
                total.add(block, runner.places)
                on_chunks(1)
            on_the_way.popleft()
            del part, block  # not to be kept until the next batch is there
            position = min(runner.position for runner in runners)
            if position > total.start:
                yield total.take(position)
    finally:
        runtime.queue.abandon([result for _, part in on_the_way for result in part.results])


def check_memory(passes: Sequence[Pass], runtime: Runtime) -> None:
    """Raises a `DeviceMemoryError` if the device has no room for the passes' chunks."""
    for pass_ in passes:
        for num_samples, call in _calls(pass_, runtime).items():
            runtime.chunk_memory.check(call, num_samples)


def _calls(pass_: Pass, runtime: Runtime) -> dict[int, Call]:
    """How the network is called for the chunks of which it reads so many samples."""
    counts = Counter(chunk.num_read_samples for chunk in pass_.plan)
    return {
        num_samples: runtime.call_for(pass_.model, pass_.stem_indices, num_chunks=count)
        for num_samples, count in counts.items()
    }


def first_sample_read(passes: Sequence[Pass]) -> int:
    """The first sample of the mixture that any of the passes reads; it may lie before the track."""
    return min((pass_.plan.needs_from(0) for pass_ in passes if len(pass_.plan)), default=0)


def _origins(
    options: SeparationOptions, member: int, policy: ChunkPolicy, sample_rate: int
) -> list[int]:
    """Where each grid of a bag member begins, at or before sample 0."""
    if options.shifts == 0:
        return [0]
    if not policy.is_resizable:  # its own grid, and others evenly between
        return [-(policy.hop_samples * grid // options.shifts) for grid in range(options.shifts)]
    max_shift = int(MAX_SHIFT_SECONDS * sample_rate)
    # Seeding by text is stable over Python versions and gives each member draws of its own.
    draws = random.Random(f"stemsplit shifts, seed {options.seed}, member {member}")
    return [draws.randint(0, max_shift) - max_shift for _ in range(options.shifts)]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Chunks of a pass that were sent to the device together, and what will become of them."""

    chunks: Sequence[Chunk]
    results: Sequence[Future[Tensor]]


class _PassRunner:
    """Steps through one pass, a batch of chunks at a time: these are sent, and later added up."""

    def __init__(self, pass_: Pass, mixture: SlidingWindow, runtime: Runtime, turn: int) -> None:
        self._pass = pass_
        self._mixture = mixture
        self._queue = runtime.queue
        self._turn = turn
        self._chunks = list(pass_.plan)
        self._num_sent = 0
        self._num_done = 0
        self._calls = _calls(pass_, runtime)
        self._weights = torch.tensor(pass_.weights)[:, None, None]  # [S, 1, 1]
        self._overlap_add = OverlapAdd(
            pass_.plan, num_stems=len(pass_.stem_indices), num_channels=mixture.num_channels
        )

    @property
    def places(self) -> tuple[int, ...]:
        """Those of the stems that `add_up` gives, among all that are wanted."""
        return self._pass.places

    @property
    def all_sent(self) -> bool:
        return self._num_sent == len(self._chunks)

    @property
    def position(self) -> int:
        """Samples before this one are finished."""
        return self._start_of(self._num_done)

    @property
    def position_sent(self) -> int:
        """Samples before this one will be finished with what was sent."""
        return self._start_of(self._num_sent)

    @property
    def needs_from(self) -> int:
        """The first sample of the mixture that is still to be read."""
        if self.all_sent:
            return self._pass.plan.span.stop
        return self._pass.plan.needs_from(self._num_sent)

    def send(self) -> _Batch:
        """Sends the next batch to the device."""
        chunks = self._next_chunks()
        self._num_sent += len(chunks)
        heard = [self._mixture.read_chunk(chunk) for chunk in chunks]  # [C, T] each
        call = self._calls[chunks[0].num_read_samples]
        return _Batch(chunks, self._queue.submit(call, heard, self._turn))

    def add_up(self, part: _Batch) -> Iterator[StemBlock]:
        """One block of weighted stems for each chunk, as soon as the device has done it."""
        for chunk, result in zip(part.chunks, part.results, strict=True):
            block = self._overlap_add.add(chunk, chunk.trim(result.result()))
            self._num_done += 1
            yield StemBlock(block.start, block.samples * self._weights)

    def _start_of(self, index: int) -> int:
        span = self._pass.plan.span
        return (
            max(span.start, self._chunks[index].start) if index < len(self._chunks) else span.stop
        )

    def _next_chunks(self) -> list[Chunk]:
        """The next chunks that the network can see together: equally long ones."""
        num_samples = self._chunks[self._num_sent].num_read_samples
        batch_size = self._calls[num_samples].batch_size
        upcoming = self._chunks[self._num_sent : self._num_sent + batch_size]
        return list(
            itertools.takewhile(lambda chunk: chunk.num_read_samples == num_samples, upcoming)
        )


class _RunningSum:
    """Adds blocks, as far as they lie at or after `start`, until they are taken from the front."""

    def __init__(self, num_stems: int, num_channels: int, *, start: int) -> None:
        self.start = start
        self._sum = torch.zeros(num_stems, num_channels, 0)  # [S, C, T]

    def add(self, block: StemBlock, places: Sequence[int]) -> None:
        """Adds a block [P, C, T] to the stems at `places`."""
        skipped = max(0, self.start - block.start)  # a grid may begin before what is wanted
        samples = block.samples[..., skipped:]
        begin = block.start + skipped - self.start
        end = begin + samples.shape[-1]
        missing = end - self._sum.shape[-1]
        if missing > 0:
            self._sum = torch.nn.functional.pad(self._sum, (0, missing))
        for place, stem in zip(places, samples, strict=True):
            self._sum[place, :, begin:end] += stem

    def take(self, stop: int) -> StemBlock:
        """All samples before `stop`, which must have been added."""
        num_samples = stop - self.start
        block = StemBlock(self.start, self._sum[..., :num_samples])
        self._sum = self._sum[..., num_samples:].clone()
        self.start = stop
        return block
