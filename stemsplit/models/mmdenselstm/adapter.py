"""From the files of MMDenseLSTM, one for each stem, to the tensors of one model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.mmdenselstm.model import MMDenseLSTM


def adapt_mmdenselstm(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors of all files, which are called `{stem}.{name in the stem's file}`."""
    assert isinstance(network, MMDenseLSTM)
    adapted: dict[str, Tensor] = {}
    for index, (stem, config) in enumerate(
        zip(network.spec.stems, network.config.networks, strict=True)
    ):
        own = {
            name.removeprefix(f"{stem}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{stem}.")
        }
        expected = network.networks[index].state_dict().keys()
        folded = fold_batch_norms(own, expected, epsilon=config.epsilon)
        adapted |= {f"networks.{index}.{name}": tensor for name, tensor in folded.items()}
    return adapted
