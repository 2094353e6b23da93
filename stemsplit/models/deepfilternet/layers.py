"""The layers of a DeepFilterNet. Maps are [B, D, N, F], features [B, N, D]."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """[B, N, in] -> [B, N, out]: a product for each group of features, without biases."""

    def __init__(self, num_in: int, num_out: int, num_groups: int) -> None:
        super().__init__()
        if num_in % num_groups or num_out % num_groups:
            raise ValueError(f"{num_in} and {num_out} features do not make {num_groups} groups")
        self.weight = nn.Parameter(
            torch.empty(num_groups, num_in // num_groups, num_out // num_groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        groups = torch.unflatten(x, -1, self.weight.shape[:2])  # [B, N, groups, in / groups]
        return torch.einsum("bngi,gio->bngo", groups, self.weight).flatten(-2)


class GroupedGru(nn.Module):
    """[B, N, in] -> [B, N, out] and the memory [levels, B, D] after it: GRUs between products.

    `num_out` None: what the GRUs say, [B, N, D].
    """

    def __init__(
        self,
        num_in: int,
        num_features: int,
        num_out: int | None,
        *,
        groups: tuple[int, int],
        num_levels: int,
    ) -> None:
        super().__init__()
        self.linear_in = GroupedLinear(num_in, num_features, groups[0])
        self.gru = nn.GRU(num_features, num_features, num_layers=num_levels, batch_first=True)
        self.linear_out = (
            None if num_out is None else GroupedLinear(num_features, num_out, groups[1])
        )

    def start(self, batch: Tensor) -> Tensor:
        """The memory before anything was heard."""
        return batch.new_zeros(self.gru.num_layers, len(batch), self.gru.hidden_size)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        y, memory = self.gru(self.linear_in(x).relu(), memory)
        return y if self.linear_out is None else self.linear_out(y).relu(), memory.float()


class Separable(nn.Sequential):
    """A convolution within each channel, or a few, then one over all of them, then a ReLU."""

    def __init__(self, within: nn.Module, num_channels: int) -> None:
        super().__init__(within, nn.Conv2d(num_channels, num_channels, 1), nn.ReLU())


def down(num_channels: int, stride: int) -> Separable:
    """Half of the bins, or as many."""
    within = nn.Conv2d(
        num_channels, num_channels, (1, 3), (1, stride), (0, 1), groups=num_channels, bias=False
    )
    return Separable(within, num_channels)


def up(num_channels: int) -> Separable:
    """Twice the bins."""
    within = nn.ConvTranspose2d(
        num_channels, num_channels, (1, 3), (1, 2), (0, 1), (0, 1), groups=num_channels, bias=False
    )
    return Separable(within, num_channels)


def skip(num_channels: int) -> nn.Sequential:
    """A factor and an offset for each channel, on the way from the encoder to a decoder."""
    return nn.Sequential(nn.Conv2d(num_channels, num_channels, 1, groups=num_channels), nn.ReLU())


def as_features(maps: Tensor) -> Tensor:
    """[B, D, N, F] -> [B, N, F * D]"""
    return maps.permute(0, 2, 3, 1).flatten(2)
