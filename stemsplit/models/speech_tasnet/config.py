"""The arguments of the speech networks that asteroid publishes: one bank of filters, three maskers.

Its checkpoints hold the arguments of both parts in one list, resolved: nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.blocks.filterbank import MAX_SPEAKERS, Framing

Activation = Literal["linear", "relu", "sigmoid", "tanh", None]
Norm = Literal["gLN", "cLN"]

_FILTERS_OF_AN_STFT = ("STFTFB", "stft")
_FIXED = {"padding": 0, "output_padding": 0, "who_is_pinv": None}
_UNREAD = ("in_chan", "dropout")  # the first is what the filters make of the waveform anyway


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterbankConfig:
    """Around the masker."""

    num_speakers: int = arg("n_src", low=1, high=MAX_SPEAKERS)
    sample_rate: float = arg("sample_rate", 8000, low=1000, high=768_000)
    kind: Literal["FreeFB", "free", "STFTFB", "stft"] = arg("fb_name", "free")
    num_filters: int = arg("n_filters", 64, low=1, high=4096)
    filter_samples: int = arg("kernel_size", 16, low=2, high=4096)
    hop_samples: int | None = arg("stride", 8, low=1, high=4096)
    """None: half of a filter."""
    num_mask_features: int | None = arg("out_chan", low=1, high=8192)
    encoder_activation: Activation = arg("encoder_activation")
    mask_activation: Activation = arg("mask_act", "sigmoid")
    norm: Norm = arg("norm_type", "gLN")
    """Over all features and frames, or over the features of each frame."""

    def __post_init__(self) -> None:
        if self.num_mask_features not in (None, self.num_features):
            raise ValueError(
                f"masks of {self.num_mask_features} features do not go with {self.num_features}"
            )

    @property
    def num_features(self) -> int:
        """Of an STFT, both parts of each bin from 0 to the Nyquist frequency."""
        return self.num_filters + 2 * (self.kind in _FILTERS_OF_AN_STFT)

    @property
    def framing(self) -> Framing:
        hop_samples = self.hop_samples or self.filter_samples // 2
        return Framing(filter_samples=self.filter_samples, hop_samples=hop_samples)


@dataclass(frozen=True, kw_only=True, slots=True)
class DilatedConfig(FilterbankConfig):
    """A temporal convolutional network. The letters are those of the paper's table 1."""

    num_filters: int = arg("n_filters", 512, low=1, high=4096)
    num_blocks: int = arg("n_blocks", 8, low=1, high=16)
    """X: blocks in a repeat, each with twice the dilation of the one before."""
    num_repeats: int = arg("n_repeats", 3, low=1, high=64)
    """R."""
    bottleneck_channels: int = arg("bn_chan", 128, low=1, high=4096)
    """B."""
    block_channels: int = arg("hid_chan", 512, low=1, high=4096)
    """H."""
    skip_channels: int | None = arg("skip_chan", 128, low=0, high=4096)
    """Sc; 0 or None: the masks are made of what the last block gives."""
    kernel_size: int = arg("conv_kernel_size", 3, low=1, high=63)
    """P."""

    def __post_init__(self) -> None:
        FilterbankConfig.__post_init__(self)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"a kernel of {self.kernel_size} frames has no middle")
        _check_width(self.num_speakers * self.num_features)


@dataclass(frozen=True, kw_only=True, slots=True)
class DualPathConfig(FilterbankConfig):
    """A masker that goes through short segments of the frames, and then across them."""

    num_repeats: int = arg("n_repeats", 6, low=1, high=64)
    segment_frames: int = arg("chunk_size", 100, low=2, high=4096)
    segment_hop_frames: int | None = arg("hop_size", low=1, high=4096)
    """None: half of a segment."""
    bidirectional: bool = arg("bidirectional", True)
    """Across segments; within them it always is."""

    def __post_init__(self) -> None:
        FilterbankConfig.__post_init__(self)
        if self.segment_hop > self.segment_frames:
            raise ValueError(
                f"segments of {self.segment_frames} frames, {self.segment_hop} apart, leave gaps"
            )

    @property
    def segment_hop(self) -> int:
        return self.segment_hop_frames or self.segment_frames // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class DprnnConfig(DualPathConfig):
    """With a recurrent layer for either path."""

    bottleneck_channels: int = arg("bn_chan", 128, low=1, high=4096)
    hidden_size: int = arg("hid_size", 128, low=1, high=2048)
    rnn_type: Literal["LSTM", "GRU"] = arg("rnn_type", "LSTM")
    num_layers: int = arg("num_layers", 1, low=1, high=8)

    def __post_init__(self) -> None:
        DualPathConfig.__post_init__(self)
        _check_width(self.num_speakers * self.bottleneck_channels)


@dataclass(frozen=True, kw_only=True, slots=True)
class DptNetConfig(DualPathConfig):
    """With attention and a recurrent layer for either path."""

    encoder_activation: Activation = arg("encoder_activation", "relu")
    mask_activation: Activation = arg("mask_act", "relu")
    num_heads: int = arg("n_heads", 4, low=1, high=64)
    hidden_size: int = arg("ff_hid", 256, low=1, high=2048)

    def __post_init__(self) -> None:
        DualPathConfig.__post_init__(self)
        if self.num_features % self.num_heads:
            raise ValueError(f"{self.num_features} features do not divide by {self.num_heads}")
        _check_width(self.num_speakers * self.num_features)


def _check_width(num_channels: int) -> None:
    if num_channels > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {num_channels} channels")


def _reader(kind: type[Any], family: str, **fixed: object) -> Any:
    return reader_of(kind, family, fixed={**_FIXED, **fixed}, unread=_UNREAD)


read_dilated_config = _reader(DilatedConfig, "ConvTasNet", causal=False)
read_dprnn_config = _reader(DprnnConfig, "DPRNNTasNet", use_mulcat=False)
read_dptnet_config = _reader(DptNetConfig, "DPTNet", ff_activation="relu")
