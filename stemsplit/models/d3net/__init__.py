"""D3Net: one dilated dense network per stem and a Wiener filter. Takahashi and Mitsufuji (2021)."""

from __future__ import annotations

from stemsplit.models.d3net.adapter import adapt_d3net
from stemsplit.models.d3net.config import SECTION, read_d3net_config
from stemsplit.models.d3net.folder import d3net_folder
from stemsplit.models.d3net.model import D3Net
from stemsplit.models.d3net.released import released_arguments
from stemsplit.models.family import Family

FAMILIES = (
    Family(
        name="d3net",
        build=lambda given: D3Net(read_d3net_config(given.kwargs)),
        adapt=adapt_d3net,
        folder=d3net_folder,
        sections=(SECTION,),
        bare=released_arguments,
    ),
)
