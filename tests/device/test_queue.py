"""Chunks of several tracks on their way through one device."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError

import pytest
import torch
from torch import Tensor, nn

from stemsplit.device.batches import BatchLimit
from stemsplit.device.call import Call
from stemsplit.device.queue import DeviceQueue
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from tests.engine.toy_models import EdgeModel, GainModel, model_of
from tests.engine.tracks import Track, noise

CPU = torch.device("cpu")
WAIT_SECONDS = 60


class Gate(GainModel):
    """Lets a call through whenever it is told to, and remembers what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.called = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)
        self.heard: list[list[float]] = []
        self.threads: set[int] = set()

    def __call__(self, mixture: Tensor) -> Tensor:
        self.heard.append(mixture[:, 0, 0].tolist())
        self.threads.add(threading.get_ident())
        self.called.release()
        assert self.may_go.acquire(timeout=WAIT_SECONDS)
        return super().__call__(mixture)

    def open(self) -> None:
        self.may_go.release(1000)


@pytest.fixture
def queue() -> DeviceQueue:
    return DeviceQueue(CPU, BatchLimit(CPU), threaded=True)


def chunk(value: float, num_samples: int = 10) -> Tensor:
    return torch.full((2, num_samples), value)


def call_of(
    network: GainModel, batch_size: int = 1, stem_indices: tuple[int, ...] = (0, 1, 2, 3)
) -> Call:
    return Call(network=network, stem_indices=stem_indices, batch_size=batch_size)


def test_each_chunk_gets_its_own_estimates_of_the_wanted_stems(queue: DeviceQueue) -> None:
    call = call_of(GainModel((1, 2, 3, 4)), batch_size=2, stem_indices=(3, 1))
    first, second, third = queue.submit(call, [chunk(1), chunk(10), chunk(100)], turn=0)
    for result, value in ((first, 1), (second, 10), (third, 100)):
        estimate = result.result(WAIT_SECONDS)
        assert estimate.shape == (2, 2, 10)
        assert estimate[:, 0, 0].tolist() == [4 * value, 2 * value]


def test_tracks_share_batches_which_silence_fills_up(queue: DeviceQueue) -> None:
    network = Gate()
    call = call_of(network, batch_size=4)
    results = queue.submit(call, [chunk(1)], turn=queue.next_turn())
    assert network.called.acquire(timeout=WAIT_SECONDS)
    second, third = queue.next_turn(), queue.next_turn()
    results += queue.submit(call, [chunk(7), chunk(8), chunk(9)], turn=third)
    results += queue.submit(call, [chunk(2), chunk(3)], turn=second)
    results += queue.submit(call, [chunk(4, num_samples=11)], turn=second)
    network.open()
    for result in results:
        result.result(WAIT_SECONDS)
    # The earlier track goes first, though it came later; another length waits for its turn.
    assert network.heard == [[1, 0, 0, 0], [2, 3, 7, 8], [4, 0, 0, 0], [9, 0, 0, 0]]
    assert len(network.threads) == 1


def test_different_stems_networks_and_sizes_do_not_share(queue: DeviceQueue) -> None:
    network, other = Gate(), GainModel()
    blocker = queue.submit(call_of(network), [chunk(0)], turn=0)
    assert network.called.acquire(timeout=WAIT_SECONDS)
    results = [
        *queue.submit(call_of(network, batch_size=2), [chunk(1)], turn=1),
        *queue.submit(call_of(network, batch_size=2, stem_indices=(0,)), [chunk(2)], turn=1),
        *queue.submit(call_of(network, batch_size=4), [chunk(3)], turn=1),
        *queue.submit(call_of(other, batch_size=2), [chunk(4)], turn=1),
    ]
    network.open()
    for result in blocker + results:
        result.result(WAIT_SECONDS)
    assert network.heard == [[0], [1, 0], [2, 0], [3, 0, 0, 0]]
    assert other.batch_sizes == [2]


def test_an_error_belongs_to_its_batch_alone(queue: DeviceQueue) -> None:
    class Broken(GainModel):
        def __call__(self, _mixture: Tensor) -> Tensor:
            raise RuntimeError("shapes cannot be multiplied")

    (failed,) = queue.submit(call_of(Broken()), [chunk(1)], turn=0)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        failed.result(WAIT_SECONDS)
    (fine,) = queue.submit(call_of(GainModel()), [chunk(1)], turn=0)
    assert fine.result(WAIT_SECONDS).shape == (4, 2, 10)


def test_abandoned_chunks_are_never_run(queue: DeviceQueue) -> None:
    network = Gate()
    running = queue.submit(call_of(network), [chunk(1)], turn=0)
    assert network.called.acquire(timeout=WAIT_SECONDS)
    waiting = queue.submit(call_of(network), [chunk(2), chunk(3)], turn=0)
    queue.abandon(waiting[:1])
    network.open()
    assert running[0].result(WAIT_SECONDS).shape == (4, 2, 10)
    assert waiting[1].result(WAIT_SECONDS).shape == (4, 2, 10)
    with pytest.raises(CancelledError):
        waiting[0].result(WAIT_SECONDS)
    assert network.heard == [[1], [3]]


@pytest.mark.parametrize("everything", [True, False])
def test_what_nobody_waits_for_is_finished_for_nobody(queue: DeviceQueue, everything: bool) -> None:
    network = Gate()
    results = queue.submit(call_of(network), [chunk(1), chunk(2)], turn=0)
    assert network.called.acquire(timeout=WAIT_SECONDS)
    queue.abandon(None if everything else results)
    for result in results:
        with pytest.raises(CancelledError):
            result.result(WAIT_SECONDS)
    network.open()
    (next_one,) = queue.submit(call_of(GainModel()), [chunk(1)], turn=0)
    assert next_one.result(WAIT_SECONDS).shape == (4, 2, 10)
    assert network.heard == [[1]]


def test_a_batch_of_which_somebody_waits_for_a_part_goes_on(queue: DeviceQueue) -> None:
    network = Gate()
    results = queue.submit(call_of(network, batch_size=2), [chunk(1), chunk(2)], turn=0)
    assert network.called.acquire(timeout=WAIT_SECONDS)
    queue.abandon(results[:1])
    network.open()
    assert results[1].result(WAIT_SECONDS)[:, 0, 0].tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_the_thread_has_as_many_threads_as_who_submits(queue: DeviceQueue) -> None:
    class Counts(GainModel):
        def __call__(self, mixture: Tensor) -> Tensor:
            counts.append(torch.get_num_threads())
            return super().__call__(mixture)

    counts: list[int] = []
    before = torch.get_num_threads()
    try:
        for num_threads in (before, before + 1):
            torch.set_num_threads(num_threads)
            queue.submit(call_of(Counts()), [chunk(1)], turn=0)[0].result(WAIT_SECONDS)
    finally:
        torch.set_num_threads(before)
    assert counts == [before, before + 1]


def test_the_thread_ends_with_the_queue() -> None:
    queue = DeviceQueue(CPU, BatchLimit(CPU), threaded=True)
    network = Gate()
    network.open()
    queue.submit(call_of(network), [chunk(1)], turn=0)[0].result(WAIT_SECONDS)
    (identity,) = network.threads
    (thread,) = [each for each in threading.enumerate() if each.ident == identity]
    gone = weakref.ref(queue)
    del queue
    for _ in range(100):  # the thread may still be on its way out of the last batch
        gc.collect()
        thread.join(0.1)
        if not thread.is_alive():
            break
    assert gone() is None
    assert not thread.is_alive()


def separation(model: GainModel, length: int, runtime: object) -> Callable[[], Tensor]:
    track = Track(
        Mixture.from_array(noise(length), 44100),
        model_of(model),
        runtime,  # type: ignore[arg-type]
        SeparationOptions(),
    )
    return lambda: torch.cat([block.stems for block in track.blocks()], dim=-1)


class Position(EdgeModel):
    """Rounds in a way of its own for each size of batch, as networks on GPUs do."""

    def __call__(self, mixture: Tensor) -> Tensor:
        return super().__call__(mixture) * (1 + 1e-3 * len(mixture))


@pytest.mark.parametrize("batch_size", [1, 4, 8])
def test_who_else_is_there_does_not_change_a_bit(batch_size: int) -> None:
    lengths = (700, 1000, 2500, 9000, 20_000)
    alone = [
        separation(Position(), length, choose_runtime(device="cpu", batch_size=batch_size))()
        for length in lengths
    ]
    runtime = choose_runtime(device="cpu", batch_size=batch_size)
    model = Position()
    together: dict[int, Tensor] = {}

    def work(length: int) -> None:
        together[length] = separation(model, length, runtime)()

    threads = [threading.Thread(target=work, args=(length,)) for length in lengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    for length, expected in zip(lengths, alone, strict=True):
        assert torch.equal(together[length], expected)


def test_the_size_of_a_batch_follows_from_the_track() -> None:
    runtime = choose_runtime(device="cpu", batch_size=6)
    sizes = [
        runtime.call_for(GainModel(), (0,), num_chunks=count).batch_size
        for count in (1, 2, 3, 4, 5, 6, 100)
    ]
    assert sizes == [1, 2, 4, 4, 6, 6, 6]


def test_a_track_that_is_left_early_leaves_nothing_to_run() -> None:
    class Counts(nn.Module):
        """The hundredth part of a real network, in time."""

        spec = GainModel().spec

        def __init__(self) -> None:
            super().__init__()
            self.num_calls = 0

        def forward(self, mixture: Tensor) -> Tensor:
            self.num_calls += 1
            return mixture[:, None].expand(-1, 4, -1, -1)

    model = Counts()
    runtime = choose_runtime(device="cpu")
    track = Track(
        Mixture.from_array(noise(100_000), 44100),
        model_of(model),
        runtime,
        SeparationOptions(),
    )
    blocks = track.blocks()
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    # Whatever was on its way is gone: this comes right after what was running.
    runtime.queue.submit(call_of(GainModel()), [chunk(1)], turn=0)[0].result(WAIT_SECONDS)
    assert model.num_calls <= 1 + runtime.queue.num_in_flight
