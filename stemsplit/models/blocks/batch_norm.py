"""Batch normalisation as it is once training is over: a gain and an offset per channel.

Behind a convolution both are part of the convolution, and a pass over all feature maps is saved.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

_EPSILON = 1e-5
_COUNTER = ".num_batches_tracked"
_VARIANCE = ".running_var"
_POSITION = re.compile("[0-9]{1,6}")


def fold_batch_norms(
    tensors: Mapping[str, Tensor],
    expected: Collection[str],
    *,
    transposed_prefix: str = "-",
    epsilon: float = _EPSILON,
) -> dict[str, Tensor]:
    """The same network's tensors without statistics: what `expected` has no place for is folded.

    A norm that the network still has keeps its names, and its `weight` and `bias` become gain and
    offset. Any other goes into the layer before it: `a.0` for `a.1`, `a.conv` for `a.bn`.
    Transposed convolutions, whose kernels have the channels the other way round, are those below
    `transposed_prefix`. What does not fit is left as it is, for the strict loading to name.
    """
    folded = {name: tensor for name, tensor in tensors.items() if not name.endswith(_COUNTER)}
    for variance_name in [name for name in folded if name.endswith(_VARIANCE)]:
        norm = variance_name.removesuffix(_VARIANCE)
        affine = _affine(folded, norm, epsilon)
        if affine is None:
            continue
        if f"{norm}.weight" in expected:
            layer, gained = norm, affine
        else:
            layer = _layer_before(norm)
            axis = 1 if norm.startswith(transposed_prefix) else 0
            convolved = _fold(folded, layer, affine, axis=axis)
            if convolved is None:
                continue
            gained = convolved
        for part in ("weight", "bias", "running_mean", "running_var"):
            del folded[f"{norm}.{part}"]
        folded[f"{layer}.weight"], folded[f"{layer}.bias"] = (part.float() for part in gained)
    return folded


def _affine(
    tensors: Mapping[str, Tensor], norm: str, epsilon: float
) -> tuple[Tensor, Tensor] | None:
    """Gain and offset [C] of a norm, in float64; None if it is not complete."""
    parts = [tensors.get(f"{norm}.{part}") for part in ("weight", "bias", "running_mean")]
    parts.append(tensors[norm + _VARIANCE])
    present = [part.double() for part in parts if part is not None and part.ndim == 1]
    if len(present) < 4 or len({part.shape for part in present}) > 1:
        return None
    weight, bias, mean, variance = present
    gain = weight / torch.sqrt(variance + epsilon)
    return gain, bias - mean * gain


def _layer_before(norm: str) -> str:
    parent, _, name = norm.rpartition(".")
    return f"{parent}.{int(name) - 1}" if _POSITION.fullmatch(name) else f"{parent}.conv"


def _fold(
    tensors: Mapping[str, Tensor], layer: str, affine: tuple[Tensor, Tensor], *, axis: int
) -> tuple[Tensor, Tensor] | None:
    """Kernel and bias of the layer with the norm behind it; None if they do not belong together."""
    gain, offset = affine
    kernel, bias = tensors.get(f"{layer}.weight"), tensors.get(f"{layer}.bias")
    if kernel is None or kernel.ndim < 2 or kernel.shape[axis] != len(gain):
        return None
    if bias is None:
        bias = torch.zeros(len(gain))
    if bias.shape != gain.shape:
        return None
    shape = [1] * kernel.ndim
    shape[axis] = -1
    return kernel.double() * gain.reshape(shape), bias.double() * gain + offset


class ChannelAffine(nn.Module):
    """A gain and an offset per channel of [B, D, N, F]: a batch norm after training."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias[:, None, None], x, self.weight[:, None, None])
