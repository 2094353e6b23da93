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


def each_fitted_to(mixture: Tensor, stems: Tensor) -> Tensor:
    """The stems [B, S, 1, T], each times the factor with which their sum is next to the mixture.

    By least squares, over all of a mixture [B, 1, T]. Stems that are alike share what they get.
    """
    # Squares of what is nearly alike; there is no more than float32 on one kind of device.
    dtype = torch.float32 if stems.device.type == "mps" else torch.float64
    given = stems[:, :, 0].to(dtype)  # [B, S, T]
    products = given @ mixture.to(dtype).transpose(1, 2)  # [B, S, 1]
    inverse = torch.linalg.pinv(given @ given.transpose(1, 2), hermitian=True)  # [B, S, S]
    factors: Tensor = (inverse @ products).to(stems.dtype)  # [B, S, 1]
    return stems * factors[..., None]
