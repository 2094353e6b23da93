"""A network among others that each give some of the stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from stemsplit.models.spec import Model


class Placed(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T] of all `stems`, silent where the network has none."""

    def __init__(self, network: Model, stems: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.spec = replace(network.spec, stems=tuple(stems), residual_stem=None)
        self._rows = [self.spec.stems.index(stem) for stem in network.spec.stems]

    def forward(self, mixture: Tensor) -> Tensor:
        estimates = self.network(mixture)
        batch_size, _, *shape = estimates.shape
        placed = estimates.new_zeros(batch_size, len(self.spec.stems), *shape)
        placed[:, self._rows] = estimates
        return placed
