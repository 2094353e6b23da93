"""Open-Unmix: one recurrent network per stem and a Wiener filter. Stöter et al. (JOSS 2019).

X-UMX, whose networks share what they hear, is the same in all else. Sawata et al. (ICASSP 2021).
"""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.openunmix.adapter import adapt_openunmix
from stemsplit.models.openunmix.config import read_openunmix_config
from stemsplit.models.openunmix.folder import openunmix_folder
from stemsplit.models.openunmix.model import OpenUnmix
from stemsplit.models.openunmix.xumx import adapt_xumx, read_xumx_config
from stemsplit.models.openunmix.xumx_tensors import arguments_from_tensors

FAMILIES = (
    Family(
        name="openunmix",
        build=lambda given: OpenUnmix(read_openunmix_config(given.kwargs)),
        adapt=adapt_openunmix,
        folder=openunmix_folder,
        sections=("separator", "targets"),
    ),
    Family(
        name="XUMX",  # asteroid's class
        build=lambda given: OpenUnmix(read_xumx_config(given.kwargs)),
        adapt=adapt_xumx,
        bare=arguments_from_tensors,
    ),
)
