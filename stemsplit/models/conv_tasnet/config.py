"""The constructor arguments of the Conv-TasNet that was published beside Demucs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.spec import MUSDB18_STEMS

# In the order of the published class, since checkpoints may give arguments by position.
_SIGNATURE = (
    "sources N L B H P X R audio_channels norm_type causal mask_nonlinear samplerate segment_length"
)

_FIXED = {"norm_type": "gLN", "causal": False, "mask_nonlinear": "relu"}
_BLOCK = re.compile(r"separator\.network\.2\.0\.([0-9]{1,2})\.net\.0\.weight")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The arguments of the released checkpoint, which is nothing but tensors; None for others."""
    blocks = [name for name in tensors if _BLOCK.fullmatch(name)]
    return {"sources": list(MUSDB18_STEMS), "X": len(blocks)} if blocks else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvTasNetConfig:
    """The network. Its arguments have the names of the paper's table 1."""

    stems: tuple[str, ...] = arg("sources")
    sample_rate: int = arg("samplerate", 44100, low=1000, high=768_000)
    num_channels: int = arg("audio_channels", 2, low=1, high=64)
    chunk_samples: int = arg("segment_length", 352_800, low=16, high=1 << 26)
    num_filters: int = arg("N", 256, low=1, high=4096)
    """Features of the learned transform."""
    filter_samples: int = arg("L", 20, low=2, high=4096)
    """Length of its windows, which overlap by half."""
    bottleneck_channels: int = arg("B", 256, low=1, high=4096)
    block_channels: int = arg("H", 512, low=1, high=4096)
    kernel_size: int = arg("P", 3, low=1, high=63)
    num_blocks: int = arg("X", 8, low=1, high=16)
    """Blocks in a repeat, each with twice the dilation of the one before."""
    num_repeats: int = arg("R", 4, low=1, high=64)


read_conv_tasnet_config = reader_of(ConvTasNetConfig, "Conv-TasNet", order=_SIGNATURE, fixed=_FIXED)
