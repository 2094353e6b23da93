"""FFC-SE for speech: fast Fourier convolutions. Shchekotov et al. (2022), arXiv:2204.03042."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.ffc_se.adapter import adapt_ffc_se
from stemsplit.models.ffc_se.config import published_arguments, read_ffc_se_config
from stemsplit.models.ffc_se.model import FfcSe

FAMILIES = (
    Family(
        name="ffc_se",
        build=lambda given: FfcSe(read_ffc_se_config(given.kwargs)),
        adapt=adapt_ffc_se,
        bare=published_arguments,
    ),
)
