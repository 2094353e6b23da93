"""What is decided for CUDA devices, as far as it can be seen without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stemsplit.device import runtime as runtime_module
from stemsplit.device.batches import (
    MAX_AUTO_BATCH,
    BatchLimit,
    batch_that_fits,
    largest_batch,
    next_power_of_two,
)
from stemsplit.device.call import Call
from stemsplit.device.cudnn import exact_convolutions
from stemsplit.device.queue import DeviceQueue
from stemsplit.device.runtime import choose_runtime, choose_runtimes
from stemsplit.device.transfers import CudaTransfers
from stemsplit.errors import DeviceMemoryError, UsageError
from tests.engine.toy_models import GainModel

CPU = torch.device("cpu")
GIB = 1 << 30


@pytest.mark.parametrize(
    ("chunk_bytes", "free_bytes", "total_bytes", "expected"),
    [
        (GIB, 80 * GIB, 80 * GIB, MAX_AUTO_BATCH),
        (GIB, 79 * GIB, 80 * GIB, MAX_AUTO_BATCH),
        (GIB, 8 * GIB, 8 * GIB, 4),
        (GIB, 3 * GIB, 80 * GIB, 2),
        (GIB, GIB // 2, 80 * GIB, 1),
        (5 * GIB, 24 * GIB, 24 * GIB, 2),
        (0, GIB, GIB, MAX_AUTO_BATCH),
    ],
)
def test_the_largest_batch(
    chunk_bytes: int, free_bytes: int, total_bytes: int, expected: int
) -> None:
    assert largest_batch(chunk_bytes, free_bytes=free_bytes, total_bytes=total_bytes) == expected


def test_powers_of_two() -> None:
    assert [next_power_of_two(n) for n in (1, 2, 3, 4, 5, 8, 9)] == [1, 2, 4, 4, 8, 8, 16]


class CappedDevice:
    """An allocator that says no: calls of `run` take `chunk_bytes` for each chunk."""

    def __init__(self, total_bytes: int, chunk_bytes: int) -> None:
        self.total_bytes = self.free_bytes = total_bytes
        self._chunk_bytes = chunk_bytes
        self.sizes: list[int] = []

    def run(self, batch: Tensor) -> Tensor:
        if len(batch) * self._chunk_bytes > self.total_bytes:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.sizes.append(len(batch))
        return batch

    def peak_bytes_of(self, call: Callable[[], object]) -> int:
        call()
        return self._chunk_bytes


@pytest.mark.parametrize("total_gib", [1, 2, 5, 13, 200])
def test_the_chosen_batch_fits(total_gib: int) -> None:
    device = CappedDevice(total_gib * GIB, GIB)
    batch_size = batch_that_fits(lambda: device.run(torch.zeros(1, 2)), device)
    device.run(torch.zeros(batch_size, 2))
    assert device.sizes == [1, batch_size]


def test_a_device_that_shrinks_meanwhile_ends_no_track() -> None:
    device = CappedDevice(200 * GIB, GIB)
    batch_size = batch_that_fits(lambda: device.run(torch.zeros(1, 2)), device)
    device.total_bytes = 3 * GIB  # somebody else came
    batch = torch.arange(float(batch_size))[:, None]
    assert torch.equal(BatchLimit(CPU).call(device.run, batch, Tensor.cpu), batch)
    assert set(device.sizes) == {1, 2}


def test_a_device_too_small_for_one_chunk_is_found_out_with_the_song() -> None:
    device = CappedDevice(GIB // 2, GIB)
    assert batch_that_fits(lambda: device.run(torch.zeros(1, 2)), device) == 1


class NoRoom(nn.Module):
    """Stands in for a network on a GPU that is full. Copies of it are elsewhere."""

    spec = GainModel((1,)).spec

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((1,), 3.0), requires_grad=False)
        self.offset: Tensor
        self.register_buffer("offset", torch.ones(1))
        self.original = id(self)
        self.num_calls = 0

    def forward(self, mixture: Tensor) -> Tensor:
        if self.original == id(self):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        assert len(mixture) == 1
        self.num_calls += 1
        return mixture[:, None] * self.gain + self.offset


@pytest.fixture
def gpu_queue(monkeypatch: pytest.MonkeyPatch) -> DeviceQueue:
    """That of a GPU that is none."""
    Streams(monkeypatch)
    monkeypatch.setattr("stemsplit.device.queue.choose_transfers", CudaTransfers)
    monkeypatch.setattr(Tensor, "to", lambda tensor, *_, **__: tensor)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    gpu = torch.device("cuda:0")
    return DeviceQueue(gpu, BatchLimit(gpu))


def test_the_silence_that_fills_a_batch_up_is_not_computed_on_the_cpu(
    gpu_queue: DeviceQueue,
) -> None:
    network = NoRoom()
    call = Call(network=network, stem_indices=(0,), batch_size=8)
    for result in gpu_queue.submit(call, [torch.ones(2, 3)] * 3, turn=0):
        assert torch.equal(result.result(60), torch.full((1, 2, 3), 4.0))
    twin = gpu_queue._fallback._copies[network]
    assert isinstance(twin, NoRoom)
    assert twin.num_calls == 3


def test_what_a_network_remembers_on_the_device_is_not_made_up_on_the_cpu(
    gpu_queue: DeviceQueue,
) -> None:
    network = NoRoom()
    chunking = replace(
        network.spec.chunking, overlap_samples=0, window="sum", tail="left", sequential=True
    )
    network.spec = replace(network.spec, chunking=chunking)
    call = Call(network=network, stem_indices=(0,), batch_size=1)
    (result,) = gpu_queue.submit(call, [torch.ones(2, 3)], turn=0)
    with pytest.raises(DeviceMemoryError, match="too small for a single chunk"):
        result.result(60)


def test_a_chunk_too_large_for_the_device_is_computed_on_the_cpu(
    gpu_queue: DeviceQueue, caplog: pytest.LogCaptureFixture
) -> None:
    network = NoRoom()
    call = Call(network=network, stem_indices=(0,), batch_size=2)
    chunks = [torch.full((2, 3), float(value)) for value in range(4)]
    results = gpu_queue.submit(call, chunks, turn=0)
    assert [result.result(60)[0, 0, 0].item() for result in results] == [1, 4, 7, 10]
    notes = [record.getMessage() for record in caplog.records]
    assert notes == [
        "cuda:0 ran out of memory with 2 chunks at once: going on with 1.",
        "The memory of cuda:0 is too small for a single chunk: such chunks are computed on the "
        "CPU. `segment=4`, say, makes them shorter.",
    ]
    twin = gpu_queue._fallback._copies[network]
    assert isinstance(twin, NoRoom)
    for there, here in ((network.gain, twin.gain), (network.offset, twin.offset)):
        # From the CPU to the CPU nothing is copied, and nowhere else would anything have been.
        assert there.data_ptr() == here.data_ptr()


def test_a_network_that_does_not_fit_is_an_error_with_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("stemsplit.device.queue.choose_transfers", lambda _: None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    network = NoRoom()
    monkeypatch.setattr(network, "to", fail)
    with pytest.raises(DeviceMemoryError, match=r"does not fit into the memory of cuda:0\. Close"):
        choose_runtime(device="cuda").prepare(network)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def fail() -> None:
        raise RuntimeError("no kernel image")

    with pytest.raises(RuntimeError, match="no kernel image"):
        batch_that_fits(fail, CappedDevice(GIB, GIB))


class Probe(nn.Module):
    """Multiplies; in float16, from 1000 * 1000 on, that is not a number any more."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64, bias=False)
        nn.init.eye_(self.layer.weight).mul_(factor)

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        noise = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
        return self.layer(noise.to(device) * 1000)  # type: ignore[no-any-return]


@torch.no_grad()
def test_float16_is_for_networks_that_agree_in_it() -> None:
    assert runtime_module._allows_fp16(Probe(1.0), CPU)
    assert not runtime_module._allows_fp16(Probe(1000.0), CPU)
    assert not runtime_module._allows_fp16(nn.Linear(4, 4), CPU)  # cannot be tried


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that can be named, and no more."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("stemsplit.device.queue.choose_transfers", lambda _: None)


@pytest.mark.usefixtures("four_gpus")
def test_several_devices() -> None:
    runtimes = choose_runtimes(devices="cuda:0, cuda:3", precision="fp32")
    assert [str(runtime.device) for runtime in runtimes] == ["cuda:0", "cuda:3"]
    assert runtimes[0].queue is not runtimes[1].queue


def cudnn_flags() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic


def test_fp32_is_fp32_while_a_network_is_called_and_then_what_the_host_wants(
    gpu_queue: DeviceQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("allow_tf32", "deterministic"):
        monkeypatch.setattr(torch.backends.cudnn, name, name == "allow_tf32")
    seen: list[tuple[bool, bool]] = []

    class Looks(GainModel):
        def __call__(self, mixture: Tensor) -> Tensor:
            seen.append(cudnn_flags())
            return super().__call__(mixture)

    call = Call(network=Looks(), stem_indices=(0,), batch_size=1)
    gpu_queue.submit(call, [torch.ones(2, 3)], turn=0)[0].result(60)
    assert seen == [(False, True)]
    assert cudnn_flags() == (True, False)
    with exact_convolutions(torch.device("cpu")):
        assert cudnn_flags() == (True, False)
    one, two = torch.device("cuda:0"), torch.device("cuda:1")
    with exact_convolutions(one):  # what two threads do, in the order that matters
        second = exact_convolutions(two)
        second.__enter__()
    assert cudnn_flags() == (False, True)
    second.__exit__(None, None, None)
    assert cudnn_flags() == (True, False)


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("cuda:0,cuda:0", "names cuda:0 twice"),
        ("cuda,cuda:0", "names cuda:0 twice"),
        ("cuda:1,cpu", "only CUDA devices can share the work, and cpu is none"),
        ("cpu,cuda:1", "only CUDA devices can share the work, and cpu is none"),
        ("cuda:0,cuda:4", "'cuda:4' was asked for, but torch .* sees 4 CUDA"),
        ("cuda:0,", "'' is not a device"),
        ("cuda:0,tpu", "'tpu' is not a device"),
    ],
)
def test_devices_that_cannot_be(devices: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_runtimes(devices=devices)


@pytest.mark.usefixtures("four_gpus")
def test_one_device_is_one() -> None:
    with pytest.raises(UsageError, match=r"'cuda:0,cuda:1' is not a device"):
        choose_runtime(device="cuda:0,cuda:1")


class Streams:
    """Stands in for torch.cuda: copies happen at once, and what would wait for what is noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.num_pinned = 0
        self.no_pinned_memory = False
        self.current = Stream(self, "compute")
        names = iter(("inward", "outward"))
        self._empty = torch.empty
        monkeypatch.setattr("torch.cuda.Stream", lambda _device: Stream(self, next(names)))
        monkeypatch.setattr("torch.cuda.Event", lambda: Event(self))
        monkeypatch.setattr("torch.cuda.current_stream", lambda _device: self.current)
        monkeypatch.setattr("torch.cuda.stream", self.use)
        monkeypatch.setattr("torch.empty", self.empty)
        monkeypatch.setattr(
            Tensor, "record_stream", lambda _tensor, stream: self.log.append(f"kept for {stream}")
        )

    def empty(self, *shape: Any, pin_memory: bool = False, **more: Any) -> Tensor:
        if pin_memory:  # takes a device
            self.num_pinned += 1
            if self.no_pinned_memory:
                raise RuntimeError("CUDA error: out of memory")
        return self._empty(*shape, **more)

    @contextmanager
    def use(self, stream: Stream) -> Iterator[None]:
        self.log.append(f"copy on {stream}")
        yield


class Stream:
    def __init__(self, streams: Streams, name: str) -> None:
        self._streams, self._name = streams, name

    def __str__(self) -> str:
        return self._name

    def wait_stream(self, other: Stream) -> None:
        self._streams.log.append(f"{self} waits for {other}")


class Event:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def record(self, stream: Stream) -> None:
        self._streams.log.append(f"event on {stream}")

    def synchronize(self) -> None:
        self._streams.log.append("waited for the event")


def test_copies_wait_for_what_they_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    transfers = CudaTransfers(CPU)
    batch = transfers.gather([torch.ones(2, 3), 2 * torch.ones(2, 3)], 4)
    assert batch[:, 0, 0].tolist() == [1, 2, 0, 0]
    loaded = transfers.load(batch)
    assert streams.log == ["copy on inward", "compute waits for inward", "kept for compute"]
    streams.log.clear()
    wait = transfers.fetch(loaded)
    assert streams.log == [
        "outward waits for compute",
        "copy on outward",
        "kept for outward",
        "event on outward",
    ]
    assert torch.equal(wait(), batch)
    assert streams.log[-1] == "waited for the event"


@pytest.mark.parametrize("no_pinned_memory", [False, True])
def test_pinned_memory_is_used_as_long_as_there_is_some(
    no_pinned_memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(monkeypatch)
    streams.no_pinned_memory = no_pinned_memory
    transfers = CudaTransfers(CPU)
    batch = transfers.gather([torch.ones(2, 3)], 2)
    assert torch.equal(transfers.fetch(batch)(), torch.stack([torch.ones(2, 3), torch.zeros(2, 3)]))
    assert streams.num_pinned == 2


def test_the_next_batch_is_begun_before_the_last_one_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = Streams(monkeypatch)
    monkeypatch.setattr("stemsplit.device.queue.choose_transfers", CudaTransfers)
    queue = DeviceQueue(CPU, BatchLimit(CPU), threaded=True)
    call = Call(network=GainModel((1,)), stem_indices=(0,), batch_size=2)
    chunks = [torch.full((2, 3), float(value)) for value in range(6)]
    results = queue.submit(call, chunks, turn=0)
    values = [result.result(60)[0, 0, 0].item() for result in results]
    assert values == list(range(6))
    order = [line for line in streams.log if line in ("copy on inward", "waited for the event")]
    begun, done = "copy on inward", "waited for the event"
    assert order == [begun, begun, done, begun, done, done]
