"""Spleeter: a U-Net per stem over blocks of a spectrogram. Hennequin et al. (JOSS 2020)."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.spleeter.adapter import adapt_spleeter
from stemsplit.models.spleeter.config import read_spleeter_config, released_arguments
from stemsplit.models.spleeter.model import Spleeter

FAMILIES = (
    Family(
        name="spleeter",
        build=lambda given: Spleeter(read_spleeter_config(given.kwargs)),
        adapt=adapt_spleeter,
        bare=released_arguments,
        sections=("instrument_list", "frame_length"),
    ),
)
