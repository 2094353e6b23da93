"""The constructor arguments of the Conv-TasNet that was published beside Demucs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.arguments import Arguments

# In the order of the published class, since checkpoints may give arguments by position.
_SIGNATURE = (
    "sources N L B H P X R audio_channels norm_type causal mask_nonlinear samplerate segment_length"
)

_RELEASED_STEMS = ("drums", "bass", "other", "vocals")
_BLOCK = re.compile(r"separator\.network\.2\.0\.([0-9]{1,2})\.net\.0\.weight")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The arguments of the released checkpoint, which is nothing but tensors; None for others."""
    blocks = [name for name in tensors if _BLOCK.fullmatch(name)]
    return {"sources": list(_RELEASED_STEMS), "X": len(blocks)} if blocks else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvTasNetConfig:
    """The network. The paper's own letters, in its table 1, are given in brackets."""

    stems: tuple[str, ...]
    sample_rate: int
    num_channels: int
    chunk_samples: int
    num_filters: int
    """[N] Features of the learned transform."""
    filter_samples: int
    """[L] Length of its windows, which overlap by half."""
    bottleneck_channels: int
    """[B]"""
    block_channels: int
    """[H]"""
    kernel_size: int
    """[P]"""
    num_blocks: int
    """[X] Blocks in a repeat, each with twice the dilation of the one before."""
    num_repeats: int
    """[R]"""

    @classmethod
    def from_arguments(
        cls, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> ConvTasNetConfig:
        """What the network needs of a checkpoint's `args` and `kwargs`.

        Raises:
            CheckpointError: an argument is invalid, or asks for a variant that is not implemented.
        """
        arguments = Arguments("Conv-TasNet", _SIGNATURE.split(), args, kwargs)
        arguments.require("norm_type", "gLN", "gLN")
        arguments.require("causal", False, False)
        arguments.require("mask_nonlinear", "relu", "relu")
        return cls(
            stems=arguments.stems(),
            sample_rate=arguments.integer("samplerate", 44100, low=1000, high=768_000),
            num_channels=arguments.integer("audio_channels", 2, low=1, high=64),
            chunk_samples=arguments.integer("segment_length", 352_800, low=16, high=1 << 26),
            num_filters=arguments.integer("N", 256, low=1, high=4096),
            filter_samples=arguments.integer("L", 20, low=2, high=4096),
            bottleneck_channels=arguments.integer("B", 256, low=1, high=4096),
            block_channels=arguments.integer("H", 512, low=1, high=4096),
            kernel_size=arguments.integer("P", 3, low=1, high=63),
            num_blocks=arguments.integer("X", 8, low=1, high=16),
            num_repeats=arguments.integer("R", 4, low=1, high=64),
        )
