"""Between the channels of a file and those of a model."""

from __future__ import annotations

from torch import Tensor

from stemsplit.errors import AudioReadError


def to_model_channels(block: Tensor, num_channels: int) -> Tensor:
    """The block [C, T] with the model's number of channels: mono is repeated, equal is kept.

    Raises:
        AudioReadError: any other combination, 5.1 for example.
    """
    if block.shape[0] == num_channels:
        return block
    if block.shape[0] == 1:
        return block.expand(num_channels, -1)  # [C, T]
    raise AudioReadError(
        f"The audio has {block.shape[0]} channels and the model takes {num_channels}.",
        hint=f"Mix it down to {num_channels} channels first; more are not supported for now.",
    )


def from_model_channels(stems: Tensor, num_channels: int) -> Tensor:
    """The stems [S, C, T] with the file's number of channels: their mean for a mono file.

    Raises:
        ValueError: a number of channels that `to_model_channels` would not have accepted.
    """
    if stems.shape[1] == num_channels:
        return stems
    if num_channels == 1:
        return stems.mean(dim=1, keepdim=True)  # [S, 1, T]
    raise ValueError(f"cannot turn {stems.shape[1]} channels into {num_channels}")
