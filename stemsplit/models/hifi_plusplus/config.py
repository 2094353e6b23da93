"""What a HiFi++ needs to know. Its checkpoints are nothing but tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.declared import arg, reader_of

NUM_STAGES = 4
"""Of the vocoder, each with half of the channels of the one before."""
MAX_LEVELS = 5
"""Of each U-Net: frames are cut into steps of 16."""
_MAX_DEPTH = 64

_FIXED = {
    "hifi_resblock": "1",
    "hifi_input_channels": 128,
    "hifi_conv_pre_kernel_size": 1,
    "use_spectralunet": True,
    "spectralunet_positional_encoding": True,
    "use_waveunet": True,
    "use_spectralmasknet": True,
    "norm_type": "weight",
    "use_skip_connect": True,
    "waveunet_before_spectralmasknet": True,
    "waveunet_input": "both",
}
_TELLING = ("hifi.conv_pre.weight_v", "waveunet_conv_pre.weight_v", "conv_post.weight_v")
_U_NETS = {"spectralunet": "spectralunet.net.net", "waveunet": "waveunet.net"}
_U_NETS |= {"spectralmasknet": "spectralmasknet.net.net"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HifiConfig:
    """The network. Its arguments have the names that the published class gives them.

    Widths are channels of a U-Net's levels, from the first to the bottom; a depth is how many
    convolutions each level has on either side.
    """

    num_channels: int = arg("hifi_upsample_initial_channel", 128, low=16, high=MAX_LAYER_CHANNELS)
    spectral_widths: tuple[int, ...] = arg(
        "spectralunet_block_widths", (8, 16, 24, 32, 64), low=1, high=MAX_LAYER_CHANNELS
    )
    spectral_depth: int = arg("spectralunet_block_depth", 5, low=1, high=_MAX_DEPTH)
    wave_widths: tuple[int, ...] = arg(
        "waveunet_block_widths", (10, 20, 40, 80), low=1, high=MAX_LAYER_CHANNELS
    )
    wave_depth: int = arg("waveunet_block_depth", 4, low=1, high=_MAX_DEPTH)
    mask_widths: tuple[int, ...] = arg(
        "spectralmasknet_block_widths", (8, 12, 24, 32), low=1, high=MAX_LAYER_CHANNELS
    )
    mask_depth: int = arg("spectralmasknet_block_depth", 4, low=1, high=_MAX_DEPTH)

    def __post_init__(self) -> None:
        for widths in (self.spectral_widths, self.wave_widths, self.mask_widths):
            if len(widths) > MAX_LEVELS:
                raise ValueError(f"a U-Net would have {len(widths)} levels")

    @property
    def num_wave_channels(self) -> int:
        """That the vocoder comes up with."""
        return self.num_channels >> NUM_STAGES


read_hifi_config = reader_of(HifiConfig, "HiFi++", fixed=_FIXED)


def published_arguments(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments that a checkpoint's shapes tell; None for any other file."""
    found = [tensors[name] for name in _TELLING if name in tensors]
    if [each.ndim for each in found] != [3, 3, 3]:
        return None
    arguments: dict[str, object] = {"hifi_upsample_initial_channel": found[0].shape[0]}
    for name, root in _U_NETS.items():
        widths = [_width(tensors, f"{root}.0")]
        level = f"{root}.1"
        while f"{level}.1.weight_v" in tensors and len(widths) <= MAX_LEVELS:
            widths.append(_width(tensors, f"{level}.0.net.1"))
            level = f"{level}.0.net.2"
        depth = 0
        while f"{level}.{depth}.net.1.weight_v" in tensors:
            depth += 1
        arguments |= {f"{name}_block_widths": widths, f"{name}_block_depth": depth}
    return arguments


def _width(tensors: Mapping[str, Tensor], layer: str) -> int:
    """The channels that a convolution comes up with; 0 if it is missing."""
    direction = tensors.get(f"{layer}.weight_v")
    return 0 if direction is None or not direction.ndim else direction.shape[0]
