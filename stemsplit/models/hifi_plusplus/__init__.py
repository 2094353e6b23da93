"""HiFi++ for speech, without its noise. Andreev et al. (2022), arXiv:2203.13086."""

from __future__ import annotations

from stemsplit.models.blocks.weight_norm import fold_weight_norms
from stemsplit.models.family import Family
from stemsplit.models.hifi_plusplus.config import published_arguments, read_hifi_config
from stemsplit.models.hifi_plusplus.model import HifiPlusPlus

FAMILIES = (
    Family(
        name="hifi_plusplus",
        build=lambda given: HifiPlusPlus(read_hifi_config(given.kwargs)),
        adapt=lambda tensors, network: fold_weight_norms(tensors),  # noqa: ARG005
        bare=published_arguments,
    ),
)
