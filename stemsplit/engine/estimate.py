"""The one place that calls networks: what a bag makes of one channel group of a song."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from torch import Tensor

from stemsplit.audio.blocks import fan_out
from stemsplit.device.runtime import Runtime
from stemsplit.dsp.chunking import Chunk
from stemsplit.engine.model_input import ModelInput
from stemsplit.engine.passes import PassRun, WeightedSum


def estimate(
    model_input: ModelInput,
    heard: Iterator[Tensor],
    start: int,
    runtime: Runtime,
    on_chunk: Callable[[], None],
) -> Iterator[Tensor]:
    """Estimates [S*C, T] of the networks' stems, without gaps, at the model's rate.

    `heard`: what the model hears [C, T], from its sample `start` on. The pass furthest behind goes
    next, so that all of them stay within a chunk of each other and the past can be forgotten. A few
    batches are on their way ahead of the one that is added up, so that the device works meanwhile.
    `on_chunk` is called for each chunk that was done.
    """
    mixture = None
    if model_input.bag.mixer is not None:
        heard, again = fan_out(heard, 2)
        mixture = model_input.window(again, start)
    window = model_input.window(map(model_input.scaling.apply, heard), start)
    runs = [PassRun(pass_, runtime) for pass_ in model_input.passes]
    total = WeightedSum(model_input.passes)
    turn = runtime.queue.next_turn()
    on_the_way: deque[tuple[PassRun, list[Chunk], list[Future[Tensor]]]] = deque()
    try:
        while True:
            while len(on_the_way) < runtime.queue.num_in_flight:
                slowest = min(runs, key=lambda run: run.position_sent)
                if slowest.all_sent:  # then all of them are
                    break
                call, chunks = slowest.next_batch()
                results = runtime.queue.submit(call, map(window.read_chunk, chunks), turn)
                on_the_way.append((slowest, chunks, results))
                window.forget(min(run.needs_from for run in runs))
            if not on_the_way:
                return
            run, chunks, results = on_the_way[0]
            for chunk, result in zip(chunks, results, strict=True):
                total.add(run.add(chunk, result.result()), run.places)
                on_chunk()
            on_the_way.popleft()
            del results, result  # not to be kept until the next batch is there
            if (position := min(run.position for run in runs)) > total.start:
                yield model_input.restored(total.take(position), mixture)
    finally:
        runtime.queue.abandon([result for _, _, results in on_the_way for result in results])
