"""Complex U-Nets for speech in noise, as asteroid publishes them: DCCRN and DCUNet."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.blocks.filterbank import without_windows
from stemsplit.models.complex_unet.config import read_dccrn_config, read_dcunet_config
from stemsplit.models.complex_unet.model import ComplexMaskingNetwork
from stemsplit.models.family import Family


def _adapt(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    return fold_batch_norms(without_windows(tensors), network.state_dict())


FAMILIES = (
    Family(
        name="DCCRNet",
        build=lambda given: ComplexMaskingNetwork(read_dccrn_config(given.kwargs)),
        adapt=_adapt,
    ),
    Family(
        name="DCUNet",
        build=lambda given: ComplexMaskingNetwork(read_dcunet_config(given.kwargs)),
        adapt=_adapt,
    ),
)
