"""MDX23C: TFC-TDF-U-Net v3, all stems at once. Kim, Lee, Jung (2023), arXiv:2306.09382."""

from __future__ import annotations

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.family import Family
from stemsplit.models.mdx23c.config import read_mdx23c_config
from stemsplit.models.mdx23c.model import Mdx23c

FAMILIES = (
    Family(
        name="mdx23c",
        build=lambda given: Mdx23c(read_mdx23c_config(given.kwargs)),
        adapt=lambda tensors, network: fold_batch_norms(
            tensors, network.state_dict().keys(), transposed_prefix="none"
        ),
        marks=("num_subbands",),
    ),
)
