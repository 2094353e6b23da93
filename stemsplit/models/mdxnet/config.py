"""The parameters of one MDX-Net, under the names that its authors' training code gives them."""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.models.blocks.declared import arg, reader_of

_FIXED = {"dim_c": 4, "optimizer": "rmsprop"}
"""With another optimizer, the norms are group norms."""
_OF_TRAINING = ("overlap", "lr", "epoch", "ckpt")


@dataclass(frozen=True, kw_only=True, slots=True)
class MdxNetConfig:
    """The U-Net for one stem, and how it is run."""

    stem: str = arg("target_name")
    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    n_fft: int = arg("n_fft", low=4, high=1 << 16)
    hop_length: int = arg("hop_length", 1024, low=1, high=1 << 16)
    num_bins: int = arg("dim_f", low=1, high=1 << 15)
    """The lowest bins, which the network hears; it leaves those above silent."""
    num_frames: int = arg("dim_t", low=2, high=1 << 14)
    """What the network hears at a time."""
    num_blocks: int = arg("num_blocks", low=3, high=25)
    num_layers: int = arg("l", low=1, high=64)
    """Convolutions in each block."""
    growth: int = arg("g", low=1, high=1024)
    """Channels of the first level, and those that each level has more than the one above."""
    kernel_size: int = arg("k", 3, low=1, high=31)
    bottleneck_factor: int | None = arg("bn", low=0, high=1 << 15)
    """By how much the bins are brought down in between; 0: one product, no bottleneck; None: no
    products over the bins at all."""
    bias: bool = arg("bias", False)
    """Of the products over the bins."""

    # How the UVR community runs its networks.
    silent_bins: int = arg("silent_bins", 0, low=0, high=1 << 10)
    """The lowest bins, of which the network hears nothing."""
    gain: float = arg("compensate", 1.0, low=0.1, high=10)
    """What estimates are multiplied with: networks trained on a loss in the time domain come out
    a little too soft."""
    denoise: bool = arg("denoise", False)
    """Run twice, the second time with the opposite sign: what the network adds of itself in
    either case cancels out."""
    hann_overlap: float = arg("hann_overlap", 0.0, low=0, high=0.99)
    """The share of a chunk that the next one has as well, blended under Hann windows; 0: chunks
    lie side by side, of which the network hears half an FFT more on either side."""

    @property
    def num_levels(self) -> int:
        return self.num_blocks // 2


read_mdxnet_config = reader_of(MdxNetConfig, "MDX-Net", fixed=_FIXED, unread=_OF_TRAINING)
