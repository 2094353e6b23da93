"""FullSubNet+ for speech. Chen et al. (2022), arXiv:2203.12188."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.fullsubnet.config import published_arguments, read_fullsubnet_config
from stemsplit.models.fullsubnet.model import FullSubNetPlus

FAMILIES = (
    Family(
        name="fullsubnet",
        build=lambda given: FullSubNetPlus(read_fullsubnet_config(given.kwargs)),
        bare=published_arguments,
    ),
)
