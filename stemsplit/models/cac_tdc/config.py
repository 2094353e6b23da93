"""The parameters of a CaC-TDC U-Net, under the names that its authors' training code gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments

_SIGNATURE = (
    "target_name sample_rate n_fft hop_length num_frame trim n_blocks input_channels "
    "internal_channels n_internal_layers kernel_size_f spec_type spec_est_mode "
    "first_conv_activation tdc_activation last_activation"
)

_STEM_IN_NAME = re.compile(r"(?:^|[^a-z])(vocals|drums|bass|other)(?=$|[^a-z])")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:
    """The arguments of the authors' checkpoints, which hold nothing but tensors; None for others.

    Raises:
        CheckpointError: it is one, but its name does not say which stem it is for.
    """
    if not {"first_conv.0.weight", "encoders.0.H.0.0.weight"} <= tensors.keys():
        return None
    stems = set(_STEM_IN_NAME.findall(file_name.lower()))
    if len(stems) != 1:
        raise CheckpointError(
            f"{file_name} is a CaC-TDC network, which does not say which stem it is for.",
            hint="Have the stem in the file's name: vocals, drums, bass or other.",
        )
    return {"target_name": stems.pop()}


@dataclass(frozen=True, kw_only=True, slots=True)
class CacTdcConfig:
    """The U-Net and how it is run; `read_cac_tdc_config({})` is that of the paper's table 1."""

    stem: str
    sample_rate: int
    n_fft: int
    hop_length: int
    read_samples: int
    """What the network hears at a time."""
    trim_samples: int
    """What of it is discarded on either side."""
    num_levels: int
    num_channels: int
    num_layers: int
    """Convolutions in each block."""
    kernel_size: int


def read_cac_tdc_config(settings: Mapping[str, object]) -> CacTdcConfig:
    """The network that `settings` describe: nothing of it is in the authors' checkpoints.

    Raises:
        CheckpointError: a setting is invalid, or asks for a variant that is not implemented.
    """
    arguments = Arguments("CaC-TDC", _SIGNATURE.split(), (), settings)
    arguments.require("spec_type", "complex", "complex")
    arguments.require("spec_est_mode", "mapping", "mapping")
    arguments.require("input_channels", 4, 4)
    arguments.require("first_conv_activation", "relu", "relu")
    arguments.require("tdc_activation", "relu", "relu")
    arguments.require("last_activation", "identity", "identity")
    hop_length = arguments.integer("hop_length", 1024, low=1, high=1 << 16)
    n_fft = arguments.integer("n_fft", 2048, low=4, high=1 << 16)
    num_frames = arguments.integer("num_frame", 64, low=1, high=1 << 14)
    return CacTdcConfig(
        stem=arguments.stem("target_name", "vocals"),
        sample_rate=arguments.integer("sample_rate", 44100, low=1000, high=768_000),
        n_fft=n_fft,
        hop_length=hop_length,
        read_samples=(num_frames - 1) * hop_length + n_fft,
        trim_samples=arguments.integer("trim", 5000, low=0, high=1 << 20),
        num_levels=arguments.integer("n_blocks", 17, low=3, high=31) // 2,
        num_channels=arguments.integer("internal_channels", 24, low=1, high=1024),
        num_layers=arguments.integer("n_internal_layers", 5, low=1, high=64),
        kernel_size=arguments.integer("kernel_size_f", 3, low=1, high=63),
    )
