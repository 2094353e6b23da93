"""Published tensors of Meta-TasNet under the names of our network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stemsplit.errors import CheckpointError

_WINDOW = ".encoder.spectrogram.window"
_MAX_WINDOW_SAMPLES = 1 << 20


def adapt_metatasnet(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:  # noqa: ARG001
    """All but the spectrograms' windows, which are made anew.

    Raises:
        CheckpointError: a window is not Hann's.
    """
    for name, tensor in tensors.items():
        if name.endswith(_WINDOW) and not _is_hann(tensor):
            raise CheckpointError(f"{name} is no Hann window, which is all that stemsplit has.")
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_WINDOW)}


def _is_hann(window: Tensor) -> bool:
    if window.ndim != 1 or not 0 < len(window) <= _MAX_WINDOW_SAMPLES:
        return False
    # Half precision is good for three digits.
    return torch.allclose(window.float(), torch.hann_window(len(window)), atol=1e-3)
