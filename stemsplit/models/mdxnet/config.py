"""The parameters of one MDX-Net, under the names that its authors' training code gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.models.blocks.arguments import Arguments

# Those that matter to training only are here to be known, and are not read. The last four are
# not the authors': they are how the UVR community runs its networks.
_SIGNATURE = (
    "target_name num_blocks l g k bn bias n_fft dim_f dim_t dim_c hop_length overlap lr epoch "
    "optimizer ckpt sample_rate silent_bins compensate denoise hann_overlap"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MdxNetConfig:
    """The U-Net for one stem, and how it is run."""

    stem: str
    sample_rate: int
    n_fft: int
    hop_length: int
    num_bins: int
    """The lowest bins, which the network hears; it leaves those above silent."""
    num_frames: int
    """What the network hears at a time."""
    num_levels: int
    num_layers: int
    """Convolutions in each block."""
    growth: int
    """Channels of the first level, and those that each level has more than the one above."""
    kernel_size: int
    bottleneck_factor: int | None
    """By how much the bins are brought down in between; 0: one product, no bottleneck; None: no
    products over the bins at all."""
    bias: bool
    """Of the products over the bins."""
    silent_bins: int
    """The lowest bins, of which the network hears nothing."""
    gain: float
    """What estimates are multiplied with: networks trained on a loss in the time domain come out
    a little too soft."""
    denoise: bool
    """Run twice, the second time with the opposite sign: what the network adds of itself in
    either case cancels out."""
    hann_overlap: float
    """The share of a chunk that the next one has as well, blended under Hann windows; 0: chunks
    lie side by side, of which the network hears half an FFT more on either side."""


def read_mdxnet_config(settings: Mapping[str, object]) -> MdxNetConfig:
    """The network that `settings` describe.

    Raises:
        CheckpointError: a setting is missing, invalid or absurdly large, or asks for a variant
            that is not implemented.
    """
    arguments = Arguments("MDX-Net", _SIGNATURE.split(), (), settings)
    arguments.require("dim_c", 4, 4)
    arguments.require("optimizer", "rmsprop", "rmsprop")  # the other way round: group norms
    has_products = not arguments.is_none("bn")
    return MdxNetConfig(
        stem=arguments.stem("target_name", ""),
        sample_rate=arguments.integer("sample_rate", 44100, low=1000, high=768_000),
        n_fft=arguments.integer("n_fft", 0, low=4, high=1 << 16),
        hop_length=arguments.integer("hop_length", 1024, low=1, high=1 << 16),
        num_bins=arguments.integer("dim_f", 0, low=1, high=1 << 15),
        num_frames=arguments.integer("dim_t", 0, low=2, high=1 << 14),
        num_levels=arguments.integer("num_blocks", 0, low=3, high=25) // 2,
        num_layers=arguments.integer("l", 0, low=1, high=64),
        growth=arguments.integer("g", 0, low=1, high=1024),
        kernel_size=arguments.integer("k", 3, low=1, high=31),
        bottleneck_factor=(
            arguments.integer("bn", 0, low=0, high=1 << 15) if has_products else None
        ),
        bias=arguments.flag("bias", False),
        silent_bins=arguments.integer("silent_bins", 0, low=0, high=1 << 10),
        gain=arguments.number("compensate", 1.0, low=0.1, high=10),
        denoise=arguments.flag("denoise", False),
        hann_overlap=arguments.number("hann_overlap", 0.0, low=0, high=0.99),
    )
