"""From the tensors of the authors' checkpoints to those of our network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.batch_norm import fold_batch_norms

# Fourier transforms as convolutions: kernels that were never trained.
_WINDOW = "istft.ola_window"
_KERNELS = ("stft.conv_real", "stft.conv_imag", "istft.conv_real", "istft.conv_imag")
_NOT_LEARNED = {_WINDOW, *(f"{name}.weight" for name in _KERNELS)}

_STATISTICS = ("weight", "bias", "running_mean", "running_var")
_OTHERS = {
    "pqmf.ana_conv_filter.weight": "sub_bands.analysis",
    "pqmf.syn_conv_filter.weight": "sub_bands.synthesis",
    **{f"bn0.{part}": f"bin_norm.{part}" for part in _STATISTICS},
    "after_conv2.weight": "maps.weight",
    "after_conv2.bias": "maps.bias",
}
_BLOCKS = {
    **{f"encoder_block{number}": f"encoders.{number - 1}" for number in range(1, 7)},
    **{f"decoder_block{number}": f"decoders.{number - 1}" for number in range(1, 7)},
    **{f"conv_block7{letter}": f"middle.{index}" for index, letter in enumerate("abcd")},
    "conv_block7": "middle.0",
    "after_conv_block1": "last",
}
_UNITS = {"conv_block": 0, **{f"conv_block{number}": number - 1 for number in range(1, 6)}}

# Where the layers of a unit are in our network. A norm that is to go into the convolution before it
# is called by the place behind that.
_LAYERS = {"bn1": "norm", "conv1": "convs.0", "bn2": "convs.1", "conv2": "convs.2"} | {
    "shortcut": "shortcut"
}
_PLACES = ("norm", "convs.0", "convs.1", "convs.2", "convs.3", "convs.4")
_SEPARABLE = {
    f"{kind}{unit + 1}{letter}": f"{unit}.{place}"
    for unit in (0, 1)
    for place, (letter, kind) in zip(_PLACES, product("abc", ("bn", "conv")), strict=True)
}


def adapt_resunet(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Our network's tensors, called as in `expected`, with batch norms folded where they can be.

    Raises:
        CheckpointError: the network's spectrograms have another window than Hann's.
    """
    window = tensors.get(_WINDOW)
    if window is not None and not _is_squared_hann(window, expected["bin_norm.weight"].numel()):
        raise CheckpointError(
            "The ResUNetDecouple+ checkpoint has another window than the square of Hann's.",
            hint="The file is damaged, or made for another version of the network.",
        )
    renamed = {
        _our_name(name): tensor for name, tensor in tensors.items() if name not in _NOT_LEARNED
    }
    return fold_batch_norms(renamed, expected.keys())


def _is_squared_hann(window: Tensor, num_bins: int) -> bool:
    hann = torch.hann_window(2 * (num_bins - 1), dtype=torch.float64).square()
    return window.shape == hann.shape and torch.allclose(window.double(), hann, atol=1e-3)


def _our_name(name: str) -> str:
    """A published name's counterpart; what is not known stays, for the strict loading to name."""
    if name in _OTHERS or name.count(".") < 2:
        return _OTHERS.get(name, name)
    block, *inner, layer, part = name.split(".")
    ours, unit = _BLOCKS.get(block), _UNITS.get(inner[0] if inner else "conv_block")
    if ours is None or unit is None or len(inner) > 1:
        return name
    if ours.startswith("decoders."):
        if not inner and layer in ("bn1", "conv1"):
            place = {"bn1": "norm", "conv1": "conv"}[layer]
            return f"{ours.replace('decoders', 'upsampling')}.{place}.{part}"
        unit -= 1
    if layer in _SEPARABLE:
        return f"{ours}.{_SEPARABLE[layer]}.{part}"
    return f"{ours}.{unit}.{_LAYERS[layer]}.{part}" if layer in _LAYERS else name
