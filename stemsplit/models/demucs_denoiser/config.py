"""What a Demucs denoiser needs to know. Its files hold nothing but tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.declared import arg, reader_of

_ENCODER = re.compile(r"encoder\.[0-9]{1,4}\.0\.weight")
_FIXED = {"chin": 1, "chout": 1, "causal": True, "glu": True, "normalize": True, "floor": 1e-3}


def released_arguments(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments that the shapes of a released checkpoint tell; None for any other file.

    Nothing in it tells stride, resampling and growth: all released networks have the defaults.
    An LSTM of one direction sets them apart from the Demucs that are for music.
    """
    first = tensors.get("encoder.0.0.weight")
    causal = "lstm.lstm.weight_hh_l0" in tensors and "lstm.linear.weight" not in tensors
    if first is None or first.ndim != 3 or not causal:
        return None
    return {
        "hidden": first.shape[0],
        "kernel_size": first.shape[2],
        "depth": sum(_ENCODER.fullmatch(name) is not None for name in tensors),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserConfig:
    """The network. Its arguments have the names that the published class gives them."""

    channels: int = arg("hidden", 48, low=1, high=1024)
    depth: int = arg("depth", 5, low=1, high=10)
    kernel_size: int = arg("kernel_size", 8, low=1, high=64)
    stride: int = arg("stride", 4, low=1, high=16)
    growth: float = arg("growth", 2, low=1, high=16)
    """How much wider each level is than the one around it."""
    resample: int = arg("resample", 4, low=1, high=4)
    """How many times the sample rate the layers work at: 1, 2 or 4."""
    sample_rate: int = arg("sample_rate", 16000, low=1000, high=768_000)


read_denoiser_config = reader_of(
    DenoiserConfig, "Demucs denoiser", fixed=_FIXED, unread=("max_hidden", "rescale")
)
