"""Attention along one axis of a grid at a time: over the frames of a band, over a frame's bands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from stemsplit.models.roformer.attention import (
    RotaryTransformerConfig,
    Transformer,
    positions_of,
)

_TILE_TOKENS = 4096
"""How many tokens go through a transformer at once on a CPU; the results do not depend on it.

What lies between its layers then stays in the cache. All 48,000 tokens of a chunk at once took 1.3
times as long and 700 MB more (one core, 384 features).
"""

_TILE_TOKENS_ACCELERATOR = 65536


class AxialStack(nn.ModuleList):
    """Pairs of transformers, over time and over bands: the published `layers.N.0` and `layers.N.1`.

    With `skips`, each pair hears the sum of what all pairs before it have made.
    """

    def __init__(
        self,
        num_pairs: int,
        time: RotaryTransformerConfig,
        bands: RotaryTransformerConfig,
        *,
        skips: bool,
    ) -> None:
        over_time, over_bands = positions_of(time), positions_of(bands)
        super().__init__(
            nn.ModuleList([Transformer(time, over_time), Transformer(bands, over_bands)])
            for _ in range(num_pairs)
        )
        self.skips = skips
        # In a tuple they are no children: each is stored with the layers that share it.
        self.positions = (over_time, over_bands)

    def forward(self, grid: Tensor) -> Tensor:
        """The grid [B, N, K, D] of frames and bands after all pairs.

        It is overwritten in place, being by far the largest tensor of the network.
        """
        rotations_time = self.positions[0](grid.shape[1])
        rotations_bands = self.positions[1](grid.shape[2])
        total = torch.zeros_like(grid) if self.skips else None  # [B, N, K, D]
        for over_time, over_bands in cast("Iterable[tuple[Transformer, Transformer]]", self):
            if total is not None:
                grid += total
            for item in grid:
                _update(item.transpose(0, 1), over_time, rotations_time)  # [K, N, D]
            _update(grid.flatten(0, 1), over_bands, rotations_bands)  # [B * N, K, D]
            if total is not None:
                total += grid
        return grid


def _update(sequences: Tensor, transformer: Transformer, rotations: Tensor) -> None:
    """Replaces sequences [S, N, D], a view, by what the transformer makes of them."""
    tokens = _TILE_TOKENS if sequences.device.type == "cpu" else _TILE_TOKENS_ACCELERATOR
    for tile in torch.split(sequences, max(1, tokens // sequences.shape[1])):
        tile.copy_(transformer(tile.contiguous(), rotations))
