"""The streaming loop: a mixture goes in block by block, finished outputs come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.blocks import fan_out, skip
from stemsplit.audio.resample import resample_blocks
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.overlap_add import StemBlock, aligned
from stemsplit.dsp.sliding import SlidingWindow
from stemsplit.engine.estimate import estimate
from stemsplit.engine.meters import TrackMeters
from stemsplit.engine.mix import OutputMix
from stemsplit.engine.passes import check_memory
from stemsplit.engine.separation_plan import SeparationPlan


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the current track is: chunks done of all chunks in all passes."""

    num_done: int
    num_chunks: int

    @property
    def share(self) -> float:
        return self.num_done / self.num_chunks if self.num_chunks else 1.0


ProgressCallback = Callable[[Progress], None]


def separate_blocks(
    plan: SeparationPlan,
    runtime: Runtime,
    *,
    meters: TrackMeters | None = None,
    on_progress: ProgressCallback | None = None,
) -> Iterator[StemBlock]:
    """Finished blocks [O, C, T] of the plan's outputs, `plan.num_samples` in all, in order.

    This is the second time that the song is read. `meters` measure what is handed out.

    Raises:
        DeviceMemoryError: the chunks that are asked for do not fit into memory.
    """
    for each in plan.inputs:
        check_memory(each.passes, runtime)
    first_second, rate = plan.first_second, plan.mixture.sample_rate
    source = skip(plan.mixture.open_blocks(), first_second * rate)
    num_branches = sum(len(bag.inputs) for bag in plan.bags if bag.hears is None)
    song, *branches = fan_out(source, 1 + num_branches)
    on_chunk = _chunk_counter(plan.num_chunks, on_progress)
    streams = _streams(plan, branches, runtime, on_chunk)
    window = SlidingWindow(
        resample_blocks(song, from_rate=rate, to_rate=plan.sample_rate),
        num_channels=len(plan.channels),
        num_samples=plan.ranges.num_output_samples,
        start=first_second * plan.sample_rate,
    )
    mix = OutputMix(plan.outputs, plan.stems)
    for blocks in aligned(streams):  # [S, C, T] of each bag and channel group
        start, stop = blocks[0].start, blocks[0].stop
        mixture = window.read(start, stop)  # [C, T]
        window.forget(stop)
        stems = plan.combined([block.stems for block in blocks], mixture)  # [S, C, T]
        outputs = mix(mixture, stems)  # [O, C, T]
        if meters is not None:
            meters.add(mixture, stems, outputs)
        yield StemBlock(start - plan.ranges.output_range.start, outputs)


def _streams(
    plan: SeparationPlan,
    branches: Sequence[Iterator[Tensor]],
    runtime: Runtime,
    on_chunk: Callable[[], None],
) -> list[Iterator[StemBlock]]:
    """What each of the plan's inputs is estimated to be, at the rate of the outputs.

    `branches`: the song, once for each that hears it. Bags that hear a stem of the first one get
    it from there.
    """
    num_hearing = sum(bag.hears is not None for bag in plan.bags)
    first = plan.bags[0]
    copies: list[list[Iterator[Tensor]]] = []  # of the first bag's estimates, by channel group
    streams = []
    song = iter(branches)
    for bag in plan.bags:
        for group, each in enumerate(bag.inputs):
            if bag.hears is None:
                heard, start = each.heard(next(song)), plan.first_second * each.bag.sample_rate
            else:
                row, start = first.run.index(bag.hears), first.inputs[group].span.start
                heard = each.heard_stem(copies[group].pop(), row)
            estimates = estimate(each, heard, start, runtime, on_chunk)
            if bag is first and num_hearing:
                estimates, *others = fan_out(estimates, 1 + num_hearing)
                copies.append(others)
            streams.append(each.at_output_rate(estimates))
    return streams


def _chunk_counter(num_chunks: int, callback: ProgressCallback | None) -> Callable[[], None]:
    """Called for each finished chunk, it tells the user's callback how many there are."""
    num_done = 0

    def on_chunk() -> None:
        nonlocal num_done
        num_done += 1
        if callback is not None:
            callback(Progress(num_done, num_chunks))

    return on_chunk
