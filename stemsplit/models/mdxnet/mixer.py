"""The Mixer of KUIELab-MDX-Net: what each network took is corrected by what the others took.

Kim et al. (2021), arXiv:2111.12203: a product without bias, the same for every sample, from the
estimates of all stems and the mixture to the final estimates.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.family import Mix
from stemsplit.quoting import listed

STEMS = ("bass", "drums", "other", "vocals")
"""In the order of the mixer's rows and columns; the mixture comes last."""

_NUM_CHANNELS = 2
_WEIGHT = "linear.weight"


def read_mixer(tensors: Mapping[str, Tensor]) -> Mix:
    """What a published `mixer.ckpt` does: `mix` with its matrix [S * C, S * C + C].

    Raises:
        CheckpointError: it holds anything else.
    """
    shape = (len(STEMS) * _NUM_CHANNELS, (len(STEMS) + 1) * _NUM_CHANNELS)
    weight = tensors.get(_WEIGHT)
    if weight is None or len(tensors) > 1 or weight.shape != shape:
        found = listed(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
        raise CheckpointError(
            f"The mixer should be one tensor {_WEIGHT} of shape {list(shape)}, but there is "
            f"{found or 'nothing'}."
        )
    return functools.partial(mix, weight.float())


def mix(matrix: Tensor, estimates: Tensor, mixture: Tensor) -> Tensor:
    """Final estimates [..., S, C, T] of estimates [..., S, C, T] and the mixture [..., C, T]."""
    heard = torch.cat([estimates, mixture.unsqueeze(-3)], dim=-3)  # [..., S + 1, C, T]
    mixed = matrix @ heard.flatten(-3, -2)  # [..., S * C, T]
    return torch.unflatten(mixed, -2, estimates.shape[-3:-1])
