"""Batches as large as the device's memory allows."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from stemsplit.errors import DeviceMemoryError

_log = logging.getLogger(__name__)


class BatchLimit:
    """How many chunks a network sees at once on a device: at first `num_chunks`.

    Whenever the device runs out of memory the limit is halved, for the rest of the run. Items of a
    batch do not influence each other, so the audio stays the same.
    """

    def __init__(self, num_chunks: int, device: torch.device) -> None:
        self._num_chunks = num_chunks
        self._device = device

    def call(self, network: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        """What `network` makes of the batch [B, ...], in as many parts as it takes.

        Raises:
            DeviceMemoryError: not even a single item fits.
        """
        while True:
            try:
                return torch.cat([network(part) for part in torch.split(batch, self._num_chunks)])
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                _log.debug("%s", error)
            # Only here, after the handler, has the error let go of the network's activations.
            self._halve(min(self._num_chunks, len(batch)))

    def _halve(self, num_chunks: int) -> None:
        if num_chunks == 1:
            instead = "close other programs" if self._device.type == "cpu" else "--device cpu"
            raise DeviceMemoryError(
                f"The memory of {self._device} is too small for a single chunk.",
                hint=f"Use shorter chunks (--segment 4, say), or {instead}.",
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


def _is_out_of_memory(error: RuntimeError) -> bool:
    # CUDA has a class for it; MPS only says so, and so does the CPU's allocator, in other words.
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in text or "can't allocate memory" in text
    )
