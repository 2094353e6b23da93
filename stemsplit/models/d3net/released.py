"""The published networks, as the program that they came with describes them, by stem.

What four of them have in common stands once; the rest is what {stem}.yaml says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from stemsplit.models.d3net.config import SECTION

_COMMON = {
    "valid_signal_idx": 1600,
    "num_init_features": [32, 8],
    "f_num_init_features": 32,
    "f_n_blocks": [2] * 9,
    "f_comp_rates": [1.0] * 10,
    "ttl_num_layer_block": 3,
    "ttl_dens_k": 12,
    "n_channels": 2,
    "fft_size": 4096,
    "hop_size": 1024,
    "fs": 44100,
}


def _stem(
    *,
    split: int,
    low_band: tuple[list[int], list[int]],
    high_levels: int,
    full_band: tuple[list[int], list[int]],
    patch_frames: int,
) -> dict[str, object]:
    """A network's description: of each band the widths and numbers of layers of its blocks."""
    (low_widths, low_layers), (full_widths, full_layers) = low_band, full_band
    num_low, num_high = len(low_widths), 2 * high_levels + 1
    return {
        **_COMMON,
        "band_split_idxs": [split],
        "dens_k": [low_widths, [2] * num_high],
        "num_layer_blocks": [low_layers, [1] * num_high],
        "b_n_blocks": [[2] * num_low, [1] * num_high],
        "comp_rates": [[1.0] * (num_low - 1), [1.0] * (num_high - 1)],
        "f_dens_k": full_widths,
        "f_num_layer_block": full_layers,
        "test_patch_len": patch_frames,
        "out_shift": patch_frames // 2,
    }


_VOCALS = _stem(
    split=256,
    low_band=([16, 18, 20, 22, 20, 18, 16], [5, 5, 5, 5, 4, 4, 4]),
    high_levels=2,
    full_band=([13, 14, 15, 16, 17, 16, 14, 12, 11], [4, 5, 6, 7, 8, 6, 5, 4, 4]),
    patch_frames=256,
)
RELEASED: Mapping[str, Mapping[str, object]] = {
    "vocals": _VOCALS,
    "drums": _stem(
        split=128,
        low_band=([16, 18, 20, 22, 20, 18, 16], [5, 5, 5, 4, 4, 4, 4]),
        high_levels=2,
        full_band=([13, 14, 15, 16, 16, 16, 14, 12, 11], [4, 5, 6, 7, 8, 6, 6, 4, 4]),
        patch_frames=256,
    ),
    "bass": _stem(
        split=192,
        low_band=([16, 18, 18, 20, 18, 16, 16], [5, 5, 5, 5, 4, 4, 4]),
        high_levels=3,
        full_band=([10, 10, 12, 14, 16, 14, 12, 8, 8], [4, 5, 6, 7, 8, 6, 6, 4, 4]),
        patch_frames=384,
    ),
    "other": _VOCALS,
}
"""In the order of the program."""

_FIRST_KERNEL = re.compile(r"(?:.+\.)?([a-z]+)/features_init_full/conv/W")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The settings of published networks; None for any other tensors."""
    found = {match[1] for name in tensors if (match := _FIRST_KERNEL.fullmatch(name))}
    if not found or not found <= RELEASED.keys():
        return None
    return {SECTION: {stem: RELEASED[stem] for stem in RELEASED if stem in found}}
