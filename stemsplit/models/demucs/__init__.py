"""Demucs in the time domain, third generation. Défossez et al. (2019), arXiv:1911.13254."""

from __future__ import annotations

from stemsplit.models.demucs.adapter import adapt_names
from stemsplit.models.demucs.config import (
    read_demucs_config,
    read_demucs_v2_config,
    released_v2_arguments,
)
from stemsplit.models.demucs.model import Demucs
from stemsplit.models.demucs.second_generation import DemucsV2
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="demucs.demucs.Demucs",
        build=lambda given: Demucs(read_demucs_config(given.kwargs, given.args)),
        adapt=lambda tensors, network: adapt_names(tensors, network.state_dict().keys()),
    ),
    Family(
        name="demucs.model.Demucs",
        build=lambda given: DemucsV2(read_demucs_v2_config(given.kwargs, given.args)),
        bare=released_v2_arguments,
    ),
)
