"""Spleeter's U-Net for a CPU: the same sums as in `spleeter/network.py`, features last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import ChannelAffine
from stemsplit.models.spleeter.network import SAME_PADDING, STRIDE, StemUNet, activate

_NUM_EXACT = 3
"""Of the outermost levels on the way down: they are cheap, and what they round away is missed."""


class FastStemUNet(nn.Module):
    """What a `StemUNet` computes, with the products of all but the outermost levels in `dtype`.

    The maps between layers stay in float32. With bfloat16 the vocals of a song were 48 dB from
    exact; with the first layer in it too, which hears magnitudes of any size, 44 dB at most.
    """

    def __init__(self, plain: StemUNet, dtype: torch.dtype) -> None:
        super().__init__()
        self._down_activation = plain.down_activation
        self._up_activation = plain.up_activation
        self._down = [
            _kernel(layer.weight, layer.bias, torch.float32 if level < _NUM_EXACT else dtype)
            for level, layer in enumerate(cast(Iterable[nn.Conv2d], plain.down))
        ]
        self._down_norms = [_affine(norm) for norm in plain.down_norms]
        self._up = [
            _doubling_kernel(layer, dtype) for layer in cast(Iterable[nn.ConvTranspose2d], plain.up)
        ]
        self._up_norms = [_affine(norm, repeats=STRIDE * STRIDE) for norm in plain.up_norms]
        self._last = plain.last

    def forward(self, magnitudes: Tensor) -> Tensor:
        x = _padded(magnitudes, self._down[0])
        skips = []
        for level, kernel in enumerate(self._down):
            x = _convolve(x, kernel, stride=STRIDE)
            if level < len(self._down_norms):
                skips.append(x)
                x = _transformed(x, self._down_norms[level])
                activate(x, self._down_activation, inplace=True)
                x = _padded(x, self._down[level + 1])
        for level, (kernel, affine) in enumerate(zip(self._up, self._up_norms, strict=True)):
            x = _convolve(x, kernel, padding=1)  # [B, 4 D, N, F]
            activate(x, self._up_activation, inplace=True)
            x = _transformed(x, affine, out=x)
            dtype = self._up[level + 1][0].dtype if skips else x.dtype
            x = _interleaved(x, skips.pop() if skips else None, dtype)  # [B, D, N, F], both doubled
        # One feature may pass for features last; what comes out is wanted features first.
        logits: Tensor = self._last(x.squeeze(1).unsqueeze(1))
        return logits


_Kernel = tuple[Tensor, Tensor]
"""Weight and bias; or gain and offset, which are by channel."""


def _convolve(x: Tensor, kernel: _Kernel, *, stride: int = 1, padding: int = 0) -> Tensor:
    weight, bias = kernel
    return F.conv2d(x.to(weight.dtype), weight, bias, stride, padding).float()


def _padded(x: Tensor, kernel: _Kernel) -> Tensor:
    """What the kernel hears of x [B, D, N, F], features last in memory: x amid zeros."""
    left, right, above, below = SAME_PADDING
    num_items, num_features, num_frames, num_bins = x.shape
    padded = torch.empty(
        (num_items, num_features, num_frames + above + below, num_bins + left + right),
        dtype=kernel[0].dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    for edge in (
        padded[:, :, :above],
        padded[:, :, above + num_frames :],
        padded[..., :left],
        padded[..., left + num_bins :],
    ):
        edge.zero_()
    padded[:, :, above : above + num_frames, left : left + num_bins] = x
    return padded


def _kernel(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> _Kernel:
    assert bias is not None
    weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
    return weight, bias.detach().to(dtype)


def _doubling_kernel(layer: nn.ConvTranspose2d, dtype: torch.dtype) -> _Kernel:
    """A transposed convolution with kernels of 5, cut to twice its input, as a convolution.

    Its output 2m is made of the inputs m - 1 and m, and 2m + 1 of m - 1, m and m + 1: along both
    axes. So all four outputs of a position are features of it, with kernels of 3.
    """
    assert layer.bias is not None
    taps = F.pad(layer.weight.detach(), (1, 0, 1, 0)).flip(2, 3)  # [I, O, 6, 6], latest tap first
    taps = torch.unflatten(torch.unflatten(taps, 3, (3, 2)), 2, (3, 2))
    taps = taps.flip(3, 5)  # [I, O, 3, 2, 3, 2]: inputs m - 1 to m + 1, outputs 2m and 2m + 1
    merged = taps.permute(3, 5, 1, 0, 2, 4).flatten(0, 2)  # [4 O, I, 3, 3]
    return _kernel(merged, layer.bias.detach().repeat(STRIDE * STRIDE), dtype)


def _affine(norm: nn.Module, repeats: int = 1) -> _Kernel:
    assert isinstance(norm, ChannelAffine)
    return (
        norm.weight.detach().repeat(repeats)[:, None, None],
        norm.bias.detach().repeat(repeats)[:, None, None],
    )


def _transformed(x: Tensor, affine: _Kernel, out: Tensor | None = None) -> Tensor:
    gain, offset = affine
    return torch.addcmul(offset, x, gain, out=out)


def _interleaved(x: Tensor, skip: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The four outputs at each position side by side, behind the features of `skip`.

    [B, 4 D, N, F] -> [B, S + D, 2 N, 2 F], features last in memory.
    """
    num_items, num_features, num_frames, num_bins = x.shape
    num_own, num_skipped = num_features // STRIDE**2, 0 if skip is None else skip.shape[1]
    grid = x.new_empty(
        (num_items, num_frames, STRIDE, num_bins, STRIDE, num_skipped + num_own), dtype=dtype
    )  # [B, N, 2, F, 2, S + D]
    own = torch.unflatten(x.permute(0, 2, 3, 1), -1, (STRIDE, STRIDE, -1))  # [B, N, F, 2, 2, D]
    grid[..., num_skipped:] = own.transpose(2, 3)
    grid = grid.flatten(3, 4).flatten(1, 2)  # [B, 2 N, 2 F, S + D]
    if skip is not None:
        grid[..., :num_skipped] = skip.permute(0, 2, 3, 1)
    return grid.permute(0, 3, 1, 2)
