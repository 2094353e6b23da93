"""The built-in separator: classical signal processing, no weights, no download."""

from __future__ import annotations

from stemsplit.models.family import BuiltIn
from stemsplit.models.spectral.config import SpectralConfig
from stemsplit.models.spectral.model import SpectralSeparator

FAMILIES = (
    BuiltIn("spectral", SpectralSeparator),
    BuiltIn("spectral_backing", lambda: SpectralSeparator(SpectralConfig(has_voice=False))),
)
