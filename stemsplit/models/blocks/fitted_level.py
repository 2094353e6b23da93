"""The level of estimates by networks that learned to be right up to a factor.

SI-SDR does not hear one (Le Roux et al. 2019, arXiv:1811.02508). With filters that are free it may
be 10,000 or below 0, and another one for another chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fitted_to(mixture: Tensor, stems: Tensor) -> Tensor:
    """The stems [B, S, C, T] times one factor for each item, by least squares; silent if one is.

    One for each speaker would make a speaker of the crumbs that are left for who does not speak.
    """
    together = stems.sum(dim=1)  # [B, C, T]
    products = (mixture * together).sum(dim=(1, 2))  # [B]
    energies = together.square().sum(dim=(1, 2))
    factors = torch.where(energies > 0, products / energies, 0.0)
    return stems * factors[:, None, None, None]
