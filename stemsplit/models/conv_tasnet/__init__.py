"""Conv-TasNet for music. Luo and Mesgarani (2019), arXiv:1809.07454."""

from __future__ import annotations

from stemsplit.models.conv_tasnet.config import read_conv_tasnet_config, released_arguments
from stemsplit.models.conv_tasnet.model import ConvTasNet
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="demucs.tasnet.ConvTasNet",
        build=lambda given: ConvTasNet(read_conv_tasnet_config(given.kwargs, given.args)),
        bare=released_arguments,
    ),
)
