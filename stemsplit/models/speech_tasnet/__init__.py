"""Speech networks in the time domain, as asteroid publishes them: Conv-TasNet, DPRNN and DPTNet.

One speaker of noise, or several of one another; `model.py` says what they have in common. The
Conv-TasNet for music is in `conv_tasnet`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.filterbank import without_windows
from stemsplit.models.family import Family, NetworkArguments
from stemsplit.models.speech_tasnet.config import (
    read_dilated_config,
    read_dprnn_config,
    read_dptnet_config,
)
from stemsplit.models.speech_tasnet.dilated import DilatedMasker
from stemsplit.models.speech_tasnet.model import MaskingNetwork
from stemsplit.models.speech_tasnet.segments import DprnnMasker, DptNetMasker


def _conv_tasnet(given: NetworkArguments) -> MaskingNetwork:
    config = read_dilated_config(given.kwargs)
    paper = "Luo, Mesgarani (2019), arXiv:1809.07454"
    masker = DilatedMasker(config)
    return MaskingNetwork("conv_tasnet_speech", paper, config=config, masker=masker)


def _dprnn(given: NetworkArguments) -> MaskingNetwork:
    config = read_dprnn_config(given.kwargs)
    paper = "Luo, Chen, Yoshioka (2020), arXiv:1910.06379"
    return MaskingNetwork("dprnn", paper, config=config, masker=DprnnMasker(config))


def _dptnet(given: NetworkArguments) -> MaskingNetwork:
    config = read_dptnet_config(given.kwargs)
    paper = "Chen, Mao, Liu (2020), arXiv:2007.13975"
    return MaskingNetwork("dptnet", paper, config=config, masker=DptNetMasker(config))


def _adapt(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:  # noqa: ARG001
    return without_windows(tensors)


FAMILIES = (
    Family(name="ConvTasNet", build=_conv_tasnet, adapt=_adapt),
    Family(name="DPRNNTasNet", build=_dprnn, adapt=_adapt),
    Family(name="DPTNet", build=_dptnet, adapt=_adapt),
)
