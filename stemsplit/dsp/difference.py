"""How far one signal is from another."""

from __future__ import annotations

import torch
from torch import Tensor


def signal_to_difference_db(reference: Tensor, other: Tensor) -> float:
    """Level in dB of a signal over its difference to another of the same shape.

    Infinite where the two are equal, minus infinite where only the reference is silent or where the
    difference is infinite, NaN where it is not a number.

    Raises:
        ValueError: the shapes differ.
    """
    signal, difference = energies(reference, other)
    if difference == 0:
        return float("inf")
    return float(10 * torch.log10(signal / difference))


def energies(reference: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Energies of the reference and of its difference to the other signal, in float64.

    Raises:
        ValueError: the shapes differ.
    """
    check_shapes(reference, other)
    exact = reference.double()
    return exact.square().sum(), (exact - other.double()).square().sum()


def check_shapes(reference: Tensor, other: Tensor) -> None:
    """Raises a `ValueError` for signals that cannot be compared."""
    if reference.shape != other.shape:
        raise ValueError(
            f"cannot compare a signal of shape {tuple(reference.shape)} "
            f"with one of shape {tuple(other.shape)}"
        )
