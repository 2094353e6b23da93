"""The CaC-TDC U-Net: one stem, frame by frame. Choi et al., ISMIR 2020."""

from __future__ import annotations

from stemsplit.models.cac_tdc.adapter import adapt_cac_tdc
from stemsplit.models.cac_tdc.config import read_cac_tdc_config, released_arguments
from stemsplit.models.cac_tdc.model import CacTdc
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="cac_tdc",
        build=lambda given: CacTdc(read_cac_tdc_config(given.kwargs)),
        adapt=lambda tensors, network: adapt_cac_tdc(tensors, network.state_dict().keys()),
        bare=released_arguments,
    ),
)
