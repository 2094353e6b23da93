"""Meta-TasNet: layers that a network makes for each stem. Samuel, Ganeshan, Naradowsky (2020)."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.metatasnet.adapter import adapt_metatasnet
from stemsplit.models.metatasnet.config import MARKS, read_metatasnet_config
from stemsplit.models.metatasnet.model import MetaTasNet

FAMILIES = (
    Family(
        name="metatasnet",
        build=lambda given: MetaTasNet(read_metatasnet_config(given.kwargs)),
        adapt=adapt_metatasnet,
        sections=MARKS,
    ),
)
