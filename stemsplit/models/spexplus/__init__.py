"""SpEx+: the one voice that a reference has. Ge et al. (2020), arXiv:2005.04686."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.spexplus.adapter import adapt_spexplus
from stemsplit.models.spexplus.config import (
    read_spexplus_config,
    spexplus_arguments,
    trained_folder,
)
from stemsplit.models.spexplus.model import SpexPlus

FAMILIES = (
    Family(
        name="spexplus",
        build=lambda given: SpexPlus(read_spexplus_config(given.kwargs)),
        adapt=adapt_spexplus,
        sections=("L", "num_spks", "non_linear"),
        bare=spexplus_arguments,
        folder=trained_folder,
    ),
)
