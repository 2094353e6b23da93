"""From the tensors of the authors' checkpoints to those of our network."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from stemsplit.models.blocks.batch_norm import fold_batch_norms

# Two layers of the published network are two-dimensional, with one frame as their width.
_TWO_DIMENSIONAL = ("first_conv.0.weight", "final_conv.0.weight")


def adapt_cac_tdc(tensors: Mapping[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """Batch norms folded into the convolutions before them, kernels along the bins alone."""
    adapted = fold_batch_norms(tensors, expected, transposed_prefix="upsampling.")
    for name in _TWO_DIMENSIONAL:
        kernel = adapted.get(name)
        if kernel is not None and kernel.ndim == 4 and kernel.shape[-1] == 1:
            adapted[name] = kernel.squeeze(-1)
    return adapted
