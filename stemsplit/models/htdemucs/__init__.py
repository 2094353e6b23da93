"""Hybrid Transformer Demucs. Rouard, Massa, Défossez (2023), arXiv:2211.08553."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.htdemucs.config import read_htdemucs_config
from stemsplit.models.htdemucs.model import HTDemucs

FAMILIES = (
    Family(
        name="demucs.htdemucs.HTDemucs",
        build=lambda given: HTDemucs(read_htdemucs_config(given.kwargs, given.args)),
    ),
)
