"""What longer chunks than a model's own would take of memory, before any is tried.

On a CPU no allocator can be asked: Linux promises more than it has, and kills the process that uses
it. So the network is tried on little, and what it takes is taken to grow from there with the number
of samples. (Attention over distances grows faster, but is small where the rest still fits.)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stemsplit.device.call import Call
from stemsplit.device.hardware import DeviceMemory, cpu_memory
from stemsplit.errors import DeviceMemoryError
from stemsplit.models.spec import Model

_TRIED_SECONDS = (1, 2)

_COPIES = 3
"""Of a chunk and its estimates, outside of the network: on their way, weighted, added up."""

_SAMPLE_BYTES = 4


class ChunkMemory:
    """Refuses chunks that a device, or the CPU in its place, has no memory for.

    What was let through once is let through again: the process may have kept that memory, and it is
    not free for others then.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._needs: MutableMapping[Model, _Need] = WeakKeyDictionary()
        self._granted: MutableMapping[Model, int] = WeakKeyDictionary()

    def check(self, call: Call, num_samples: int) -> None:
        """For chunks of which the network reads `num_samples`, as many at once as `call` has.

        Raises:
            DeviceMemoryError: they are longer than the model's own, and take more than is free.
        """
        model, total = call.network, num_samples * call.batch_size
        chunking = model.spec.chunking
        if num_samples <= chunking.fitted_length(chunking.chunk_samples):
            return
        free_bytes = _free_bytes(self._device)
        if total <= self._granted.get(model, 0) or free_bytes is None:
            return
        if model not in self._needs:
            self._needs[model] = _measure(replace(call, batch_size=1), self._device)
        need = self._needs[model]
        if need.bytes_of(total) > free_bytes:
            rate = model.spec.sample_rate
            raise DeviceMemoryError(
                f"{_count(call.batch_size)} of {num_samples / rate:.1f} s would take about "
                f"{_size(need.bytes_of(total))} of memory, and {_size(free_bytes)} are "
                "free.",
                hint=_advice(call.batch_size, need.longest_within(free_bytes) / rate),
            )
        self._granted[model] = total


@dataclass(frozen=True, slots=True)
class _Need:
    """What chunks take: `base_bytes`, and so many for each sample that the network reads."""

    base_bytes: float
    bytes_per_sample: float

    def bytes_of(self, num_samples: int) -> float:
        return self.base_bytes + num_samples * self.bytes_per_sample

    def longest_within(self, num_bytes: float) -> float:
        """Samples; below 0 if there is not even memory for the base."""
        return (num_bytes - self.base_bytes) / self.bytes_per_sample


def _measure(call: Call, device: torch.device) -> _Need:
    spec = call.network.spec

    def peak_bytes(length: int) -> int:
        chunk = torch.zeros(1, spec.num_channels, length, device=device)
        return peak_bytes_of(lambda: call(chunk))

    lengths = [seconds * spec.sample_rate for seconds in _TRIED_SECONDS]
    if not spec.chunking.fixed_length:
        lengths = [spec.chunking.fitted_length(length) for length in lengths]
    fewer, more = (peak_bytes(length) for length in lengths)
    around = _COPIES * spec.num_channels * (1 + len(spec.stems)) * _SAMPLE_BYTES
    slope = max(0, more - fewer) / max(1, lengths[1] - lengths[0])
    return _Need(max(0, more - slope * lengths[1]), slope + around)


def _free_bytes(device: torch.device) -> int | None:
    """Of the device, or of the CPU that takes what is too large for it; None if no one tells."""
    memory = cpu_memory()
    if memory is None or device.type != "cuda":
        return None if memory is None else memory.free_bytes
    return max(memory.free_bytes, DeviceMemory(device).total_bytes)


def peak_bytes_of(call: Callable[[], object]) -> int:
    """The most that the tensors made during `call` take at once, on any device."""
    with _Allocations() as allocations:
        call()
    num_bytes: int = allocations.peak_bytes
    return num_bytes


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the memory of all tensors that operators return, until it is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._num_bytes = 0
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, num_bytes = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def free(_: object) -> None:
            self._num_bytes -= num_bytes
            self._alive.pop(key, None)

        self._alive[key] = weakref.ref(storage, free)
        self._num_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self._num_bytes)


def _count(batch_size: int) -> str:
    return "A chunk" if batch_size == 1 else f"{batch_size} chunks at once"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _advice(batch_size: int, seconds: float) -> str:
    """`seconds`: of all chunks that fit at once."""
    if batch_size > 1:
        return "Use a smaller `batch_size`, or shorter chunks (`segment`)."
    if seconds < 1:
        return "Close other programs, or leave `segment` out."
    return f"Use `segment={int(seconds)}` or less."
