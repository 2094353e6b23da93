"""Complex U-Nets for speech in noise, as asteroid publishes them: DCCRN and DCUNet."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.blocks.filterbank import without_windows
from stemsplit.models.complex_unet.config import read_dccrn_config, read_dcunet_config
from stemsplit.models.complex_unet.mask_unet import dccrn_masker, dcunet_masker
from stemsplit.models.complex_unet.model import ComplexMaskingNetwork
from stemsplit.models.family import Family, NetworkArguments


def _dccrn(given: NetworkArguments) -> ComplexMaskingNetwork:
    config = read_dccrn_config(given.kwargs)
    paper = "Hu et al. (2020), arXiv:2008.00264"
    return ComplexMaskingNetwork("dccrn", paper, config=config, masker=dccrn_masker(config))


def _dcunet(given: NetworkArguments) -> ComplexMaskingNetwork:
    config = read_dcunet_config(given.kwargs)
    paper = "Choi et al. (2019), arXiv:1903.03107"
    return ComplexMaskingNetwork("dcunet", paper, config=config, masker=dcunet_masker(config))


def _adapt(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    return fold_batch_norms(without_windows(tensors), network.state_dict())


FAMILIES = (
    Family(name="DCCRNet", build=_dccrn, adapt=_adapt),
    Family(name="DCUNet", build=_dcunet, adapt=_adapt),
)
