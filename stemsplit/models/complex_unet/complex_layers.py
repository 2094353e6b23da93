"""Layers over complex numbers, which are kept as [2, B, ...]: real parts and imaginary parts.

Trabelsi et al., "Deep complex networks" (2018), arXiv:1705.09792. The nested names are those of the
checkpoints.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine


class ComplexLinear(nn.Module):
    """A linear layer with complex weights: its product with x is that of complex numbers."""

    def __init__(self, new_layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.re_module = new_layer()
        self.im_module = new_layer()

    def forward(self, x: Tensor) -> Tensor:
        by_real, by_imaginary = _on_both(self.re_module, x), _on_both(self.im_module, x)
        real = by_real[0] - by_imaginary[1]
        imaginary = by_real[1] + by_imaginary[0]
        return torch.stack([real, imaginary])


class PartByPart(nn.Module):
    """A layer for real parts, and another for imaginary parts."""

    def __init__(self, new_layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.re_module = new_layer()
        self.im_module = new_layer()

    def forward(self, x: Tensor) -> Tensor:
        real, imaginary = x
        return torch.stack([self.re_module(real), self.im_module(imaginary)])


class Convolved(nn.Module):
    """A convolution with its norm and activation, under the name that the convolution has."""

    def __init__(
        self,
        name: str,
        new_convolution: Callable[[], nn.Module],
        new_activation: Callable[[], nn.Module],
        num_channels: int,
    ) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, ComplexLinear(new_convolution))
        self.norm = PartByPart(lambda: ChannelAffine(num_channels))
        self.activation = PartByPart(new_activation)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.norm(self.get_submodule(self._name)(x)))
        return y


class ComplexRecurrence(nn.Module):
    """LSTMs over frames and a linear layer: [2, B, D, F, N] -> the same.

    Hu et al. (2020), arXiv:2008.00264, section 2.2.
    """

    def __init__(self, num_features: int, hidden_size: int, *, num_layers: int) -> None:
        super().__init__()
        sizes = [num_features] + [hidden_size] * num_layers
        self.rnn = _Stack(sizes)
        self.linear = ComplexLinear(lambda: nn.Linear(hidden_size, num_features))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 1, 4, 2, 3)  # [2, B, N, D, F]
        y: Tensor = self.linear(self.rnn(rows.flatten(3)))  # [2, B, N, D * F]
        return y.reshape(rows.shape).permute(0, 1, 3, 4, 2)


class _Stack(nn.Module):
    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        layers = (ComplexLinear(partial(_Lstm, *pair)) for pair in itertools.pairwise(sizes))
        self.rnns = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rnns(x)
        return y


class _Lstm(nn.Module):
    """[B, N, D] -> [B, N, D']. It is not linear, but its outputs are combined as if it were."""

    def __init__(self, num_features: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(num_features, hidden_size, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rnn(x)[0]
        return y


def complex_product(x: Tensor, y: Tensor) -> Tensor:
    """[2, ...] times [2, ...]."""
    return torch.stack([x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]])


def _on_both(layer: nn.Module, x: Tensor) -> Tensor:
    """A real layer on both parts of [2, B, ...] at once."""
    return torch.unflatten(layer(x.flatten(0, 1)), 0, (2, -1))
