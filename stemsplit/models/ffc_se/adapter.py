"""The tensors of published checkpoints under the names of our network, without statistics."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms

_WRAPPERS = (
    ("model.net.net.", "net."),
    ("UNetBaseBlock.model.net.", ""),
    ("UNetBaseBlock.model.", ""),  # of an autoencoder, which has no skip connection
)


def adapt_ffc_se(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The same tensors, without the names of what wraps a module and does nothing itself."""
    renamed = {}
    for name, tensor in tensors.items():
        for wrapper, instead in _WRAPPERS:
            name = name.replace(wrapper, instead)
        renamed[name] = tensor
    return fold_batch_norms(renamed, network.state_dict())
