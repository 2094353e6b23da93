"""The networks of a DeepFilterNet3: what is heard, what bands are worth, how bins are filtered.

Convolutions over time hear earlier frames only, which the caller gives them: [B, D, N + 2, F].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemsplit.models.deepfilternet.config import DeepFilterNetConfig
from stemsplit.models.deepfilternet.layers import (
    GroupedGru,
    GroupedLinear,
    Separable,
    as_features,
    down,
    skip,
    up,
)

INPUT_FRAMES = 3
"""That the first convolutions hear at a time."""
_FILTER_GROUPS = 8


class FeatureEncoder(nn.Module):
    """What the decoders are told: an embedding, and maps of bands and of bins."""

    def __init__(self, config: DeepFilterNetConfig) -> None:
        super().__init__()
        width, bins = config.num_channels, config.num_filtered
        kernel, padding = (INPUT_FRAMES, 3), (0, 1)
        self.bands = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(1, width, kernel, padding=padding), nn.ReLU()),
                down(width, 2),
                down(width, 2),
                down(width, 1),
            ]
        )
        # Real and imaginary part each have half of the channels.
        within = nn.Conv2d(2, width, kernel, padding=padding, groups=2, bias=False)
        self.bins = nn.ModuleList([Separable(within, width), down(width, 2)])
        self.bins_linear = GroupedLinear(
            width * -(-bins // 2), config.embedding_features, config.encoder_groups
        )
        self.memory = GroupedGru(
            config.embedding_features,
            config.memory_features,
            config.embedding_features,
            groups=(config.linear_groups, config.linear_groups),
            num_levels=1,
        )

    def forward(
        self, levels: Tensor, spectrum: Tensor, memory: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
        """Maps of bands, the map of bins, the embedding, and the memory."""
        maps = []
        for layer in self.bands:
            levels = layer(levels)
            maps.append(levels)
        first = self.bins[0](spectrum)
        heard = self.bins_linear(as_features(self.bins[1](first))).relu()
        embedding, memory = self.memory(as_features(maps[-1]) + heard, memory)
        return maps, first, embedding, memory


class BandDecoder(nn.Module):
    """Gains [B, N, bands] from 0 to 1."""

    def __init__(self, config: DeepFilterNetConfig) -> None:
        super().__init__()
        width = config.num_channels
        self.memory = GroupedGru(
            config.embedding_features,
            config.memory_features,
            config.embedding_features,
            groups=(config.linear_groups, config.linear_groups),
            num_levels=config.num_levels - 1,
        )
        self.skips = nn.ModuleList(skip(width) for _ in range(4))
        self.layers = nn.ModuleList([down(width, 1), up(width), up(width)])
        self.last = nn.Conv2d(width, 1, (1, 3), padding=(0, 1))

    def forward(
        self, embedding: Tensor, maps: list[Tensor], memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        features, memory = self.memory(embedding, memory)
        num_bands = maps[-1].shape[-1]
        x = torch.unflatten(features, -1, (num_bands, -1)).permute(0, 3, 1, 2)  # [B, D, N, F / 4]
        waiting = list(maps)
        for along, layer in zip(self.skips, (*self.layers, self.last), strict=True):
            x = layer(along(waiting.pop()) + x)
        return x.squeeze(1).sigmoid(), memory


class FilterDecoder(nn.Module):
    """Coefficients [B, N, F, order], complex, of a filter over frames for each low bin."""

    def __init__(self, config: DeepFilterNetConfig) -> None:
        super().__init__()
        width, num_values = config.num_channels, 2 * config.filter_order
        self.memory = GroupedGru(
            config.embedding_features,
            config.filter_features,
            None,
            groups=(_FILTER_GROUPS, 1),
            num_levels=config.num_filter_levels,
        )
        self.skip = GroupedLinear(
            config.embedding_features, config.filter_features, config.linear_groups
        )
        within = nn.Conv2d(width, num_values, (config.path_frames, 1), groups=2, bias=False)
        self.path = Separable(within, num_values)
        self.last = GroupedLinear(
            config.filter_features, config.num_filtered * num_values, config.linear_groups
        )
        self._shape = (config.num_filtered, config.filter_order, 2)

    def forward(self, embedding: Tensor, bins: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        features, memory = self.memory(embedding, memory)
        values = self.last(features + self.skip(embedding)).tanh()  # [B, N, F * order * 2]
        values = values.float() + as_features(self.path(bins)).float()
        return torch.view_as_complex(torch.unflatten(values, -1, self._shape)), memory
