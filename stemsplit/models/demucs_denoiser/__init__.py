"""The Demucs denoiser: a causal Demucs for speech. Défossez, Synnaeve, Adi (2020)."""

from __future__ import annotations

from stemsplit.models.demucs_denoiser.config import read_denoiser_config, released_arguments
from stemsplit.models.demucs_denoiser.model import DemucsDenoiser
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="demucs_denoiser",
        build=lambda given: DemucsDenoiser(read_denoiser_config(given.kwargs)),
        bare=released_arguments,
    ),
)
