"""How a network is called."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor

from stemsplit.models.spec import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """How a network that is on the device is called.

    `stem_indices`: the positions of the stems that are wanted. `batch_size`: of all batches, which
    are filled up with silence if fewer chunks wait. `dtype`: what autocast may use; float32 for
    none.
    """

    network: Model
    stem_indices: tuple[int, ...]
    batch_size: int
    dtype: torch.dtype = torch.float32

    def __call__(self, mixture: Tensor) -> Tensor:
        """The wanted estimates [B, S, C, T], float32, for a mixture [B, C, T] on the device."""
        with torch.inference_mode(), self._precision(mixture.device):
            estimates = self.network(mixture)  # [B, S, C, T]
            if self.stem_indices != tuple(range(estimates.shape[1])):
                estimates = estimates[:, list(self.stem_indices)]
            return estimates.float()

    def _precision(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(device.type, dtype=self.dtype)
