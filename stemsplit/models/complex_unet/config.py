"""The arguments of DCCRN and DCUNet as asteroid publishes them, and the networks they name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.blocks.filterbank import MAX_SPEAKERS, Framing

MaskBound = Literal["tanh", "BDT", "sigmoid", "BDSS", "UBD", None]


@dataclass(frozen=True, slots=True)
class UNetStage:
    """A level of the U-Net: how its encoder convolves bins and frames, [F, N]."""

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_padding: tuple[int, int] = (0, 0)
    """Of its decoder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """The levels from the spectrogram down, and how many channels decoders come up with.

    The last decoder, which gives the masks, is not among these.
    """

    levels: tuple[UNetStage, ...]
    decoder_channels: tuple[int, ...]

    @classmethod
    def mirrored(cls, *levels: UNetStage) -> Architecture:
        """Each decoder comes up with what its encoder was given."""
        channels = tuple(level.channels for level in reversed(levels[:-1]))
        return cls(levels=levels, decoder_channels=channels)

    def stride(self, axis: int) -> int:
        """Of all levels together: 0 for bins, 1 for frames."""
        return math.prod(level.stride[axis] for level in self.levels)


def _dccrn(*channels: int) -> Architecture:
    """Hu et al. (2020), section 2.2: each level halves the bins, and looks a frame back."""
    return Architecture.mirrored(
        *(UNetStage(each, (5, 2), (2, 1), (2, 0), (1, 0)) for each in channels)
    )


DCCRN: Mapping[str, Architecture] = {
    "DCCRN-CL": _dccrn(16, 32, 64, 128, 128, 128),
    "mini": _dccrn(4, 8),
}


def _level(channels: int, kernel: tuple[int, int], stride: tuple[int, int]) -> UNetStage:
    """A level whose convolution looks as far to either side."""
    return UNetStage(channels, kernel, stride, (kernel[0] // 2, kernel[1] // 2))


def _twenty(first: int, middle: int, last: int) -> tuple[UNetStage, ...]:
    small = (_level(middle, (5, 3), (2, 2)), _level(middle, (5, 3), (2, 1)))
    return (
        _level(first, (7, 1), (1, 1)),
        _level(first, (1, 7), (1, 1)),
        _level(middle, (7, 5), (2, 2)),
        _level(middle, (7, 5), (2, 1)),
        *small,
        *small,
        _level(middle, (5, 3), (2, 2)),
        _level(last, (5, 3), (2, 1)),
    )


DCUNET: Mapping[str, Architecture] = {
    "DCUNet-10": Architecture.mirrored(
        _level(32, (7, 5), (2, 2)),
        _level(64, (7, 5), (2, 2)),
        _level(64, (5, 3), (2, 2)),
        _level(64, (5, 3), (2, 2)),
        _level(64, (5, 3), (2, 1)),
    ),
    "DCUNet-16": Architecture.mirrored(
        _level(32, (7, 5), (2, 2)),
        _level(32, (7, 5), (2, 1)),
        _level(64, (7, 5), (2, 2)),
        _level(64, (5, 3), (2, 1)),
        _level(64, (5, 3), (2, 2)),
        _level(64, (5, 3), (2, 1)),
        _level(64, (5, 3), (2, 2)),
        _level(64, (5, 3), (2, 1)),
    ),
    "DCUNet-20": Architecture.mirrored(*_twenty(32, 64, 90)),
    "Large-DCUNet-20": Architecture(levels=_twenty(45, 90, 128), decoder_channels=(90,) * 9),
    "mini": Architecture.mirrored(
        _level(4, (7, 5), (2, 2)), _level(8, (7, 5), (2, 2)), _level(16, (5, 3), (2, 2))
    ),
}
"""Choi et al. (2019), appendix B, and a small one for trials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComplexConfig:
    """What both networks have."""

    num_speakers: int = arg("n_src", 1, low=1, high=MAX_SPEAKERS)
    sample_rate: float = arg("sample_rate", 16000, low=1000, high=768_000)
    n_fft: int = arg("stft_n_filters", 1024, low=4, high=8192)
    filter_samples: int = arg("stft_kernel_size", 1024, low=2, high=8192)
    """The window, in the middle of a frame of `n_fft` samples with silence around it."""
    hop_samples: int = arg("stft_stride", 256, low=1, high=8192)
    mask_bound: MaskBound = arg("mask_bound", "tanh")

    def __post_init__(self) -> None:
        if self.n_fft % 2:
            raise ValueError(f"an STFT of {self.n_fft} samples has no bin in the middle")

    @property
    def num_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def num_bins_seen(self) -> int:
        """By the U-Net, from 0 Hz on."""
        return self.num_bins


@dataclass(frozen=True, kw_only=True, slots=True)
class DccrnConfig(ComplexConfig):
    """It does not see the bin of the Nyquist frequency."""

    name: Literal["DCCRN-CL", "mini"] = arg("architecture")
    n_fft: int = arg("stft_n_filters", 512, low=4, high=8192)
    filter_samples: int = arg("stft_kernel_size", 400, low=2, high=8192)
    hop_samples: int = arg("stft_stride", 100, low=1, high=8192)

    def __post_init__(self) -> None:
        ComplexConfig.__post_init__(self)
        _check_division(self.num_bins_seen, self.architecture)

    @property
    def num_bins_seen(self) -> int:
        return self.num_bins - 1

    @property
    def architecture(self) -> Architecture:
        return DCCRN[self.name]

    @property
    def framing(self) -> Framing:
        return Framing(
            filter_samples=self.filter_samples,
            hop_samples=self.hop_samples,
            min_frames=len(self.architecture.levels) + 1,  # each level takes one
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DcunetConfig(ComplexConfig):
    """Its numbers of bins and frames are one more than what its strides divide."""

    name: Literal["DCUNet-10", "DCUNet-16", "DCUNet-20", "Large-DCUNet-20", "mini"] = arg(
        "architecture"
    )

    def __post_init__(self) -> None:
        ComplexConfig.__post_init__(self)
        _check_division(self.num_bins - 1, self.architecture)

    @property
    def architecture(self) -> Architecture:
        return DCUNET[self.name]

    @property
    def framing(self) -> Framing:
        return Framing(
            filter_samples=self.filter_samples,
            hop_samples=self.hop_samples,
            frame_step=self.architecture.stride(1),
        )


def _check_division(num_bins: int, architecture: Architecture) -> None:
    if num_bins % architecture.stride(0):
        raise ValueError(f"{num_bins} bins do not divide by {architecture.stride(0)}")


def _reader(kind: type[Any], family: str, *unread: str) -> Any:
    return reader_of(kind, family, unread=unread)


read_dccrn_config = _reader(DccrnConfig, "DCCRNet", "n_freqs")  # it follows from the STFT
# How other lengths are brought to one that fits: those that fit are the only ones here.
read_dcunet_config = _reader(DcunetConfig, "DCUNet", "fix_length_mode")
