"""The parameters of a CaC-TDC U-Net, under the names that its authors' training code gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.declared import arg, reader_of

_FIXED = {
    "spec_type": "complex",
    "spec_est_mode": "mapping",
    "input_channels": 4,
    "first_conv_activation": "relu",
    "tdc_activation": "relu",
    "last_activation": "identity",
}

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

    stem: str = arg("target_name", "vocals")
    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    n_fft: int = arg("n_fft", 2048, low=4, high=1 << 16)
    hop_length: int = arg("hop_length", 1024, low=1, high=1 << 16)
    num_frames: int = arg("num_frame", 64, low=1, high=1 << 14)
    """What the network hears at a time."""
    trim_samples: int = arg("trim", 5000, low=0, high=1 << 20)
    """What of it is discarded on either side."""
    num_blocks: int = arg("n_blocks", 17, low=3, high=31)
    num_channels: int = arg("internal_channels", 24, low=1, high=1024)
    num_layers: int = arg("n_internal_layers", 5, low=1, high=64)
    """Convolutions in each block."""
    kernel_size: int = arg("kernel_size_f", 3, low=1, high=63)

    @property
    def read_samples(self) -> int:
        return (self.num_frames - 1) * self.hop_length + self.n_fft

    @property
    def num_levels(self) -> int:
        return self.num_blocks // 2


read_cac_tdc_config = reader_of(CacTdcConfig, "CaC-TDC", fixed=_FIXED)
"""Of settings, nothing of which is in the authors' checkpoints."""
