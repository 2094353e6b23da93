"""Wave-U-Net: a U-Net on the waveform, one for each stem. Stoller et al. (2018)."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.waveunet.config import (
    read_waveunet_config,
    waveunet_arguments,
    without_wrapper,
)
from stemsplit.models.waveunet.model import WaveUNet

FAMILIES = (
    Family(
        name="waveunet",
        build=lambda given: WaveUNet(read_waveunet_config(given.kwargs)),
        adapt=lambda tensors, network: without_wrapper(tensors),  # noqa: ARG005
        bare=waveunet_arguments,
    ),
)
