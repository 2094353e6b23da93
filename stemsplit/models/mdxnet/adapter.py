"""From the tensors of training checkpoints to those of our network."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from stemsplit.models.blocks.batch_norm import fold_batch_norms

# Constants that the training code counts among its parameters.
_CONSTANTS = ("window", "freq_pad")


def adapt_mdxnet(tensors: Mapping[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """Batch norms folded into convolutions, or turned into gains and offsets."""
    learned = {name: tensor for name, tensor in tensors.items() if name not in _CONSTANTS}
    return fold_batch_norms(learned, expected, transposed_prefix="us.")
