"""What an FFC-SE needs to know. Its checkpoints are nothing but tensors."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.declared import arg, reader_of

_MAX_BLOCKS = 64
_MAX_LEVELS = 6
_ROUNDING = 1e-6

_FIXED = {
    "special_estimate": None,
    "fu_kernel": 1,
    "ffc_conv_kernel": 3,
    "fft_norm": "ortho",
    "use_only_freq": True,
    "padding_type": "reflect",
    "bias": False,
    "center": True,
    "window": "hann_window",
}
_UNREAD = ("use_connection", "ffc_global_ratio_out", "win_length", "return_complex")

_FIRST = {"ae": "model.net.net.0.0.weight", "unet": "model.net.net.0.weight"}
_ROOT = "model.net.net.1."
_LEVEL = {"ae": "UNetBaseBlock.model.", "unet": "UNetBaseBlock.model.net."}
_LOCAL = "ffc1.l2l_layer.weight"


@dataclass(frozen=True, kw_only=True, slots=True)
class FfcSeConfig:
    """The network. Its arguments have the names that the published configurations give them."""

    mode: Literal["ae", "unet"] = arg("mode")
    """Blocks at the bottom only, or at all levels and with skip connections between them."""
    num_channels: int = arg("out_channels", low=2, high=MAX_LAYER_CHANNELS)
    """Of the first level; each one below has twice as many."""
    num_halvings: int = arg("scale_factor", low=1, high=_MAX_LEVELS)
    """Of bins and frames, one between two levels."""
    num_blocks: tuple[int, ...] = arg("block_depth", low=1, high=_MAX_BLOCKS)
    """On the way down and again on the way up, from the first level to the bottom. An autoencoder
    has the last only."""
    global_ratios: tuple[float, ...] = arg("ffc_global_ratio_in", low=0, high=1)
    """What share of the channels is seen by the Fourier transform, in the same order."""
    stride: tuple[int, int] = arg("stride", (2, 2), low=2, high=2)
    n_fft: int = arg("n_fft", 1024, low=16, high=8192)
    hop_length: int = arg("hop_length", 256, low=1, high=8192)

    def __post_init__(self) -> None:
        if self.n_fft % 2 or self.hop_length > self.n_fft // 2:
            raise ValueError(f"hops of {self.hop_length} do not fit frames of {self.n_fft}")
        wanted = self.num_halvings + 1 if self.mode == "unet" else 1
        for name, given in (
            ("block_depth", self.num_blocks),
            ("ffc_global_ratio_in", self.global_ratios),
        ):
            if len(given) != wanted:
                raise ValueError(f"{name} has {len(given)} levels in place of {wanted}")
        widest = self.channels_at(self.num_halvings)
        if widest > MAX_LAYER_CHANNELS:
            raise ValueError(f"the last level would have {widest} channels")
        if any(self.num_global(level) == self.channels_at(level) for level in self._block_levels):
            raise ValueError("there must be channels that the Fourier transform does not see")
        if any(self.num_global(level) == 1 for level in self._block_levels):
            raise ValueError("the Fourier transform sees half of its channels, and there is one")

    @property
    def frames_per_step(self) -> int:
        """How many frames of the STFT make one at the bottom."""
        return 1 << self.num_halvings

    def channels_at(self, level: int) -> int:
        return self.num_channels << level

    def blocks_at(self, level: int) -> int:
        """On the way down; as many again on the way up, but for the bottom."""
        if self.mode == "ae":
            return self.num_blocks[-1] if level == self.num_halvings else 0
        return self.num_blocks[level]

    def num_global(self, level: int) -> int:
        """How many of a level's channels the Fourier transform sees."""
        ratio = self.global_ratios[-1 if self.mode == "ae" else level]
        return int(self.channels_at(level) * ratio + _ROUNDING)

    @property
    def _block_levels(self) -> range:
        bottom = self.num_halvings
        return range(bottom if self.mode == "ae" else 0, bottom + 1)


read_ffc_se_config = reader_of(FfcSeConfig, "FFC-SE", fixed=_FIXED, unread=_UNREAD)


def published_arguments(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments that a checkpoint's shapes tell; None for any other file.

    Nothing in it tells the frames: all published networks have those of the default.
    """
    mode = next((each for each, first in _FIRST.items() if first in tensors), None)
    if mode is None or tensors[_FIRST[mode]].ndim != 4:
        return None
    num_channels = tensors[_FIRST[mode]].shape[0]
    level, blocks = _ROOT, []
    for _ in range(_MAX_LEVELS):
        if mode == "unet":
            blocks.append(f"{level}{_LEVEL[mode]}start_block.")
        level += f"{_LEVEL[mode]}internal_block."
        if f"{level}0.{_LOCAL}" in tensors:
            break
    blocks.append(level)
    local = [tensors.get(f"{each}0.{_LOCAL}") for each in blocks]
    shapes = [tuple(each.shape) for each in local if each is not None]
    if len(shapes) != len(blocks) or any(shape[2:] != (3, 3) for shape in shapes):
        return None
    num_halvings = len(blocks) - 1 if mode == "unet" else level.count("internal_block")
    first_level = num_halvings + 1 - len(blocks)
    return {
        "mode": mode,
        "out_channels": num_channels,
        "scale_factor": num_halvings,
        "block_depth": [_num_blocks(each, tensors) for each in blocks],
        "ffc_global_ratio_in": [
            1 - shape[0] / max(1, num_channels << index)
            for index, shape in enumerate(shapes, first_level)
        ],
    }


def _num_blocks(prefix: str, tensors: Collection[str]) -> int:
    numbers = itertools.count()
    return next(number for number in numbers if f"{prefix}{number}.{_LOCAL}" not in tensors)
