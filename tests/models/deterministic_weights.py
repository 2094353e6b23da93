"""Weights that depend on nothing but their names, so that two implementations can both have them.

Golden vectors are made with a reference that is not installed where the tests run. The script that
makes them fills the reference with `fill_by_name`, the test fills our network with it, and neither
needs to commit weights. The stream is NumPy's `RandomState`, which is frozen for good.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

_GAINS = ("weight", "scale", "gamma", "running_var")


def values_by_name(name: str, shape: Sequence[int]) -> Tensor:
    """float32 values for the tensor called `name`: a function of name and shape alone.

    Matrices and kernels have a deviation of sqrt(2 / fan-in), so that signals neither vanish nor
    explode behind ReLUs; vectors that multiply lie in [0.5, 1.5]; vectors that are added have a
    deviation of 0.2.
    """
    digest = hashlib.sha256(name.encode()).digest()
    stream = np.random.RandomState(int.from_bytes(digest[:4], "little"))
    if len(shape) > 1:
        values = stream.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    elif name.rpartition(".")[2] in _GAINS:
        values = stream.uniform(0.5, 1.5, shape)
    else:
        values = 0.2 * stream.standard_normal(shape)
    return torch.from_numpy(np.asarray(values)).float()


def fill_by_name(module: nn.Module) -> None:
    """Replaces every parameter and floating-point buffer by `values_by_name`, in eval mode."""
    module.eval()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(values_by_name(name, tensor.shape))


def noise_by_name(name: str, *shape: int) -> Tensor:
    """White noise with a deviation of 0.2, the same wherever it is asked for."""
    return values_by_name(name, [math.prod(shape)]).reshape(shape)
