"""A pass takes one network with one shift over a track; bags and shifts are several, averaged.

A bag of networks (Défossez 2021, section 4.3) averages their estimates with a weight per stem, and
the shift trick (Défossez et al. 2019, section 4.4) averages over shifted chunk grids. Both are
weighted sums of independent passes, and the rest of the engine knows neither.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from stemsplit.device.call import Call
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.chunking import Chunk, ChunkPlan, ChunkPolicy
from stemsplit.dsp.overlap_add import OverlapAdd, StemBlock
from stemsplit.engine.bag import Bag
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import Model, StreamingModel

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


def check_memory(passes: Sequence[Pass], runtime: Runtime) -> None:
    """Raises a `DeviceMemoryError` if the device has no room for the passes' chunks."""
    for pass_ in passes:
        for num_samples, call in calls(pass_, runtime).items():
            runtime.chunk_memory.check(call, num_samples)


def calls(pass_: Pass, runtime: Runtime) -> dict[int, Call]:
    """How the network is called for the chunks of which it reads so many samples."""
    counts = Counter(chunk.num_read_samples for chunk in pass_.plan)
    return {
        num_samples: runtime.call_for(pass_.model, pass_.stem_indices, num_chunks=count)
        for num_samples, count in counts.items()
    }


def _calls_of_track(pass_: Pass, runtime: Runtime) -> dict[int, Call]:
    """The calls of a single run of the pass, which has a memory where its model has one."""
    found = calls(pass_, runtime)
    if not pass_.plan.policy.sequential:
        return found
    stream = cast(StreamingModel, pass_.model).stream(len(pass_.plan.grid))
    return {length: replace(call, network=stream, batch_size=1) for length, call in found.items()}


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


class PassRun:
    """Steps through a pass, a batch of chunks at a time: these are sent, and later added up."""

    def __init__(self, pass_: Pass, runtime: Runtime) -> None:
        self._plan = pass_.plan
        self._chunks = list(pass_.plan)
        self._calls = _calls_of_track(pass_, runtime)
        self._num_sent = 0
        self._num_done = 0
        self._weights = torch.tensor(pass_.weights)[:, None, None]  # [P, 1, 1]
        self._overlap_add = OverlapAdd(
            pass_.plan,
            num_stems=len(pass_.stem_indices),
            num_channels=pass_.model.spec.num_channels,
            ordered=pass_.model.spec.ordered,
        )
        self.places = pass_.places
        """Those of the stems that `add` gives, among all that are wanted."""

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
        return self._plan.span.stop if self.all_sent else self._plan.needs_from(self._num_sent)

    def next_batch(self) -> tuple[Call, list[Chunk]]:
        """The chunks that are sent next, equally long ones, and how the network is called."""
        num_samples = self._chunks[self._num_sent].num_read_samples
        call = self._calls[num_samples]
        upcoming = self._chunks[self._num_sent : self._num_sent + call.batch_size]
        batch = list(
            itertools.takewhile(lambda chunk: chunk.num_read_samples == num_samples, upcoming)
        )
        self._num_sent += len(batch)
        return call, batch

    def add(self, chunk: Chunk, estimates: Tensor) -> StemBlock:
        """The weighted stems [P, C, T] that the next chunk's estimates complete."""
        block = self._overlap_add.add(chunk, chunk.trim(estimates))
        self._num_done += 1
        return StemBlock(block.start, block.stems * self._weights)

    def _start_of(self, index: int) -> int:
        span = self._plan.span
        return (
            max(span.start, self._chunks[index].start) if index < len(self._chunks) else span.stop
        )


class WeightedSum:
    """Adds blocks, as far as they lie at or after `start`, until they are taken from the front."""

    def __init__(self, passes: Sequence[Pass]) -> None:
        num_stems = 1 + max(place for pass_ in passes for place in pass_.places)
        self.start = passes[0].plan.span.start
        self._sum = torch.zeros(num_stems, passes[0].model.spec.num_channels, 0)  # [S, C, T]

    def add(self, block: StemBlock, places: Sequence[int]) -> None:
        """Adds a block [P, C, T] to the stems at `places`."""
        skipped = max(0, self.start - block.start)  # a grid may begin before what is wanted
        stems = block.stems[..., skipped:]
        begin = block.start + skipped - self.start
        end = begin + stems.shape[-1]
        missing = end - self._sum.shape[-1]
        if missing > 0:
            self._sum = torch.nn.functional.pad(self._sum, (0, missing))
        for place, stem in zip(places, stems, strict=True):
            self._sum[place, :, begin:end] += stem

    def take(self, stop: int) -> StemBlock:
        """All samples before `stop`, which must have been added."""
        num_samples = stop - self.start
        block = StemBlock(self.start, self._sum[..., :num_samples])
        self._sum = self._sum[..., num_samples:].clone()
        self.start = stop
        return block
