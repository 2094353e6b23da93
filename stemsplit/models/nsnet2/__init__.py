"""NSNet2, the baseline of the DNS Challenges. Braun & Tashev (2020), arXiv:2008.06412."""

from __future__ import annotations

from stemsplit.models.family import Family
from stemsplit.models.nsnet2.config import read_nsnet2_config
from stemsplit.models.nsnet2.graph import recognise_nsnet2
from stemsplit.models.nsnet2.model import NsNet2

FAMILIES = (
    Family(
        name="nsnet2",
        build=lambda given: NsNet2(read_nsnet2_config(given.kwargs)),
        graph=recognise_nsnet2,
    ),
)
