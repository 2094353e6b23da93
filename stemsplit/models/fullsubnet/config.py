"""What a FullSubNet+ needs to know. Its checkpoints hold tensors and the state of the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.declared import arg, reader_of

NUM_FULL_BANDS = 3
"""Of magnitudes, real and imaginary parts, each with a full-band network."""

_FIXED = {
    "sequence_model": "LSTM",
    "fb_num_neighbors": 0,
    "fb_output_activate_function": "ReLU",
    "sb_output_activate_function": False,
    "channel_attention_model": "TSSE",
    "norm_type": "offline_laplace_norm",
    "output_size": 2,
    "subband_num": 1,
}
_TELLING = (
    *(f"channel_attention.{name}Conv1d.0.weight" for name in ("small", "middle", "large")),
    "sb_model.sequence_model.weight_ih_l0",
    "sb_model.sequence_model.weight_hh_l0",
)
_UNREAD = ("fb_model_hidden_size", "weight_init", "num_groups_in_drop_band")


def published_arguments(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments that a checkpoint's shapes tell; None for any other file.

    Nothing in it tells the look-ahead: the published network has the default.
    """
    found = [tensors[name] for name in _TELLING if name in tensors]
    if [each.ndim for each in found] != [3, 3, 3, 2, 2]:
        return None
    *kernels, heard, kept = found
    return {
        "num_freqs": kernels[0].shape[0],
        "kersize": [kernel.shape[2] for kernel in kernels],
        "sb_num_neighbors": (heard.shape[1] - NUM_FULL_BANDS - 1) // 2,
        "sb_model_hidden_size": kept.shape[1],
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class FullSubNetConfig:
    """The network. Its arguments have the names that the published class gives them."""

    num_bins: int = arg("num_freqs", 257, low=3, high=4097)
    num_neighbours: int = arg("sb_num_neighbors", 15, low=1, high=lambda got: got["num_bins"] - 1)
    """Bins on either side of its own that the sub-band network hears."""
    num_hidden: int = arg("sb_model_hidden_size", 384, low=1, high=4096)
    """Of the sub-band network."""
    kernel_sizes: tuple[int, ...] = arg("kersize", (3, 5, 10), low=1, high=64, length=3)
    """Of the attention, in frames."""
    look_ahead: int = arg("look_ahead", 2, low=0, high=64)
    """How many frames later a frame's mask is told."""


read_fullsubnet_config = reader_of(FullSubNetConfig, "FullSubNet+", fixed=_FIXED, unread=_UNREAD)
