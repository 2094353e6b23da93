"""The built-in denoiser: the log-spectral amplitude that is likeliest, no weights, no download."""

from __future__ import annotations

from stemsplit.models.family import BuiltIn
from stemsplit.models.logmmse.model import LogMmse

FAMILIES = (BuiltIn("logmmse", LogMmse),)
