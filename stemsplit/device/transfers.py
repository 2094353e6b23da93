"""How batches get to a device and back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

_log = logging.getLogger(__name__)


class Transfers(Protocol):
    """The ways to and from one device. `num_ahead`: batches begun before the last one is waited
    for."""

    num_ahead: int

    def gather(self, chunks: Sequence[Tensor], batch_size: int) -> Tensor:
        """The chunks [C, T] as a batch [batch_size, C, T] on the CPU, filled up with silence."""
        ...

    def load(self, batch: Tensor) -> Tensor:
        """The batch on the device."""
        ...

    def fetch(self, estimates: Tensor) -> Callable[[], Tensor]:
        """Waits, once called, until the estimates are on the CPU, and returns them."""
        ...


def choose_transfers(device: torch.device) -> Transfers:
    return CudaTransfers(device) if device.type == "cuda" else DirectTransfers(device)


class DirectTransfers:
    """One batch after the other; on a CPU nothing is copied at all."""

    num_ahead = 0

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def gather(self, chunks: Sequence[Tensor], batch_size: int) -> Tensor:
        if batch_size == 1:
            return chunks[0][None]  # [1, C, T]
        return _fill(torch.empty(batch_size, *chunks[0].shape), chunks)

    def load(self, batch: Tensor) -> Tensor:
        return batch.to(self._device)

    def fetch(self, estimates: Tensor) -> Callable[[], Tensor]:
        fetched = estimates.cpu()
        return lambda: fetched


class CudaTransfers:
    """Copies of one batch in, and of another one out, while the network is at work on a third.

    Each direction has a stream of its own and memory that the device reads and writes by itself
    (pinned). PyTorch's allocators know from `record_stream`, and for pinned memory by themselves,
    until when a copy needs its two ends, so no buffer is managed here.
    """

    num_ahead = 1

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._inward = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._outward = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def gather(self, chunks: Sequence[Tensor], batch_size: int) -> Tensor:
        return _fill(_pinned((batch_size, *chunks[0].shape)), chunks)

    def load(self, batch: Tensor) -> Tensor:
        with torch.cuda.stream(self._inward):
            loaded = batch.to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._inward)
        loaded.record_stream(computing)
        return loaded

    def fetch(self, estimates: Tensor) -> Callable[[], Tensor]:
        fetched = _pinned(estimates.shape)
        self._outward.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._outward):
            fetched.copy_(estimates, non_blocking=True)
        estimates.record_stream(self._outward)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(self._outward)

        def wait() -> Tensor:
            copied.synchronize()
            return fetched

        return wait


def _pinned(shape: Sequence[int]) -> Tensor:
    """Memory that the device reads and writes by itself; other memory where that is used up.

    Copies from and to the other kind wait for their end, and are as right.
    """
    try:
        return torch.empty(shape, pin_memory=True)
    except RuntimeError as error:
        _log.debug("%s", error)
        return torch.empty(shape)


def _fill(batch: Tensor, chunks: Sequence[Tensor]) -> Tensor:
    for row, chunk in zip(batch, chunks, strict=False):
        row.copy_(chunk)
    batch[len(chunks) :] = 0
    return batch
