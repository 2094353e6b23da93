"""ResUNetDecouple+: a deep residual U-Net over four sub-bands. Kong et al., ISMIR 2021."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.resunet.adapter import adapt_resunet
from stemsplit.models.resunet.config import read_resunet_config, released_arguments
from stemsplit.models.resunet.folder import resunet_folder
from stemsplit.models.resunet.model import ResUnet

FAMILIES = (
    Family(
        name="resunet",
        build=lambda given: ResUnet(read_resunet_config(given.kwargs)),
        adapt=lambda tensors, network: adapt_resunet(tensors, network.state_dict()),
        sections=("task_name", "train", "evaluate"),
        bare=released_arguments,
        folder=resunet_folder,
    ),
)
