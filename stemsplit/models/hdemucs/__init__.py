"""Hybrid Demucs. Défossez (2021), arXiv:2111.03600."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.hdemucs.config import read_hdemucs_config
from stemsplit.models.hdemucs.model import HDemucs

FAMILIES = (
    Family(
        name="demucs.hdemucs.HDemucs",
        build=lambda given: HDemucs(read_hdemucs_config(given.kwargs, given.args)),
    ),
)
