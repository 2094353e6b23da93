"""Weight normalisation as it is once training is over: weights like any other's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_LENGTH, _DIRECTION = ".weight_g", ".weight_v"


def fold_weight_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same network's tensors with `weight` in the place of `weight_g` and `weight_v`.

    Salimans and Kingma (2016), arXiv:1602.07868, eq. 2, with a length for each of the first axis.
    What does not fit is left as it is, for the strict loading to name.
    """
    folded = dict(tensors)
    for name, length in tensors.items():
        direction = tensors.get(name.removesuffix(_LENGTH) + _DIRECTION)
        if not name.endswith(_LENGTH) or direction is None:
            continue
        if length.shape != (*direction.shape[:1], *[1] * (direction.ndim - 1)):
            continue
        lines = direction.double().flatten(1)
        unit = lines / torch.linalg.vector_norm(lines, dim=1, keepdim=True)
        weight = (length.double().flatten(1) * unit).reshape(direction.shape)
        del folded[name], folded[name.removesuffix(_LENGTH) + _DIRECTION]
        folded[name.removesuffix(_LENGTH) + ".weight"] = weight.float()
    return folded
