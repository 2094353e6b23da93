"""The constructor arguments of Wave-U-Net, which its checkpoints do not have but show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.declared import arg, reader_of

NUM_TAPS = 15
"""Of the filters of all changes of rate."""
_MAX_STRIDE = NUM_TAPS // 2 - 1
_WRAPPER = "module."
_DOWN = "downsampling_blocks"
_NAME = re.compile(rf"waveunets\.([^.]+)\.{_DOWN}\.0\.downconv\.(?:filter|filter\.weight)")
_LEVEL = re.compile(rf"{_DOWN}\.[0-9]{{1,2}}\.pre_shortcut_convs\.0\.filter\.weight")
_MORE = f"{_DOWN}.0.pre_shortcut_convs.1.filter.weight"
_ONE_FOR_ALL = ("ALL",)
_FIXED = {"conv_type": "gn", "res": "fixed", "separate": True, "depth": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveUNetConfig:
    """The networks, one for each stem, and how long a piece of the track they give at a time."""

    stems: tuple[str, ...] = arg("instruments")
    num_channels: int = arg("num_inputs", 2, low=1, high=2)
    widths: tuple[int, ...] = arg("num_channels", low=1, high=MAX_LAYER_CHANNELS // 2)
    """Features of each level, the waveform's rate first."""
    kernel_size: int = arg("kernel_size", 5, low=1, high=63)
    stride: int = arg("strides", 4, low=2, high=_MAX_STRIDE)
    """By which the rate is divided from level to level."""
    sample_rate: int = arg("sr", 44100, low=8000, high=192_000)
    output_samples: int = arg("target_output_size", 88200, low=1, high=1 << 24)
    """What the networks give at a time is as little as possible, but no less than this."""


read_waveunet_config = reader_of(WaveUNetConfig, "Wave-U-Net", fixed=_FIXED)


def without_wrapper(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names in the network itself, and not in what trained it on GPUs."""
    return {name.removeprefix(_WRAPPER): tensor for name, tensor in tensors.items()}


def waveunet_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The arguments of a checkpoint, by names and shapes; None for another network's.

    Rate and length of the output, of which nothing is to be seen, are those that the authors'
    programs have unless they are told others.
    """
    found = without_wrapper(tensors)
    stems = [match[1] for match in map(_NAME.fullmatch, found) if match]
    if not stems:
        return None
    prefix = f"waveunets.{stems[0]}."
    own = {name.removeprefix(prefix): each for name, each in found.items() if prefix in name}
    num_levels = sum(1 for name in own if _LEVEL.fullmatch(name))
    kernels = [
        own.get(f"{_DOWN}.{level}.pre_shortcut_convs.0.filter.weight")
        for level in range(num_levels)
    ]
    shapes = [_shape(kernel) for kernel in (*kernels, own.get("bottlenecks.0.filter.weight"))]
    learned = f"{_DOWN}.0.downconv.filter.weight" in own
    return {
        "instruments": stems,
        "num_inputs": shapes[0][1],
        "num_channels": [width for width, *_ in shapes],
        "kernel_size": shapes[0][2],
        "strides": 4 if learned else _stride(own[f"{_DOWN}.0.downconv.filter"]),
        "res": "learned" if learned else "fixed",
        "conv_type": _layer_kind(own),
        "separate": tuple(stems) != _ONE_FOR_ALL,
        "depth": 2 if _MORE in own else 1,
    }


def _shape(kernel: Tensor | None) -> tuple[int, int, int]:
    """Those of a convolution; all 0, which no network has, for what is none."""
    if kernel is None or kernel.ndim != 3:
        return (0, 0, 0)
    num_out, num_in, num_taps = kernel.shape
    return (num_out, num_in, num_taps)


def _stride(taps: Tensor) -> int:
    """By what the filter [D, 1, NUM_TAPS] divides the rate; 0 if it is no such filter.

    It is a sinc whose first zero lies so many samples behind its middle.
    """
    if taps.ndim != 3 or taps.shape[0] < 1 or taps.shape[1:] != (1, NUM_TAPS):
        return 0
    right = taps[0, 0, NUM_TAPS // 2 :].float().abs()
    zeros = (right < 1e-4 * right[0]).nonzero().flatten()
    return int(zeros[0]) if len(zeros) else 0


def _layer_kind(names: Iterable[str]) -> str:
    """The authors' word for what is between a convolution and its activation."""
    if any(name.endswith(".norm.running_mean") for name in names):
        return "bn"
    return "gn" if any(name.endswith(".norm.weight") for name in names) else "normal"
