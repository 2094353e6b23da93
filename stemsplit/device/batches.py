"""Batches as large as the device's memory allows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from stemsplit.errors import DeviceMemoryError

_log = logging.getLogger(__name__)


MAX_AUTO_BATCH = 16
"""Chunks at once that nobody asked for: beyond that, a song's last batch is mostly silence."""

_USABLE_SHARE = 0.75
"""Of a device's memory: the allocator cannot use all of it, and other tensors need some."""


def next_power_of_two(count: int) -> int:
    """The smallest power of two that is at least `count`, for counts from 1 on."""
    return 1 << (count - 1).bit_length()


def largest_batch(chunk_bytes: int, *, free_bytes: int, total_bytes: int) -> int:
    """How many chunks that take `chunk_bytes` each fit into a device: a power of two, at least 1.

    It follows from the size of the device, so that the same machine computes the same each time,
    and from what of it is free only where that is less: where another program has taken much.
    """
    budget = _USABLE_SHARE * min(free_bytes, total_bytes)
    num_fitting = int(min(MAX_AUTO_BATCH, budget // max(1, chunk_bytes)))
    return 1 << (max(1, num_fitting).bit_length() - 1)


class Memory(Protocol):
    """The memory of a device."""

    @property
    def free_bytes(self) -> int: ...

    @property
    def total_bytes(self) -> int: ...

    def peak_bytes_of(self, call: Callable[[], object]) -> int:
        """The most that `call` needs at once, beside what is there already."""
        ...


def batch_that_fits(run_chunk: Callable[[], object], memory: Memory) -> int:
    """How many chunks fit at once, as far as one of them, which is run, can tell."""
    try:
        chunk_bytes = memory.peak_bytes_of(run_chunk)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return 1  # there may be a shorter one
    return largest_batch(chunk_bytes, free_bytes=memory.free_bytes, total_bytes=memory.total_bytes)


class BatchLimit:
    """How many chunks a network sees at once on a device: at first as many as there are.

    Whenever the device runs out of memory the limit is halved, for the rest of the run. Items of a
    batch do not influence each other, so the audio stays the same.
    """

    def __init__(self, device: torch.device) -> None:
        self._num_chunks: int | None = None
        self._device = device

    def call(
        self,
        network: Callable[[Tensor], Tensor],
        batch: Tensor,
        load: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """What `network` makes of the batch [B, ...], `load`ed in as many pieces as it takes.

        Raises:
            DeviceMemoryError: not even a single item fits.
        """
        while True:
            num_chunks = min(self._num_chunks or len(batch), len(batch))
            estimates: list[Tensor] = []
            try:
                for piece in torch.split(batch, num_chunks):
                    estimates.append(network(load(piece)))
                return torch.cat(estimates) if len(estimates) > 1 else estimates[0]
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                _log.debug("%s", error)
            # Only here, after the handler, has the error let go of the network's activations.
            estimates.clear()
            self._halve(num_chunks)

    def _halve(self, num_chunks: int) -> None:
        if num_chunks == 1:
            raise DeviceMemoryError(
                f"The memory of {self._device} is too small for a single chunk.",
                hint="Use shorter chunks (`segment=4`, say), or close other programs.",
            )
        self._num_chunks = num_chunks // 2
        _log.warning(
            "%s ran out of memory with %d chunks at once: going on with %d.",
            self._device,
            num_chunks,
            self._num_chunks,
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether the error says that a device, or the CPU's allocator, has no memory left."""
    # CUDA has a class for it; MPS only says so, and so does the CPU's allocator, in other words.
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in text or "can't allocate memory" in text
    )
