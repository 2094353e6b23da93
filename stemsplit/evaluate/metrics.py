"""How far an estimate is from the truth. Say which measure: there are many SDRs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stemsplit.dsp.difference import check_shapes, energies

_EPSILON = 1e-7
"""The challenge's own `delta`: keeps silence against silence at 0 dB instead of undefined."""


def sdr(reference: Tensor, estimate: Tensor) -> float:
    """Plain signal-to-distortion ratio in dB of an estimate, higher is better.

    10 log10 of the energy of the reference over the energy of the error, both plus 1e-7, over the
    whole track and all channels together: the measure of the Music Demixing Challenge 2021
    (Mitsufuji et al., Frontiers in Signal Processing 1, 2022) and of the Sound Demixing Challenge
    2023. It is not the SDR of BSS Eval: nothing is projected out, so a wrong gain or delay counts
    as an error.

    Shapes are equal, usually [C, T]; sums are in float64.

    Raises:
        ValueError: the shapes differ.
    """
    signal, difference = energies(reference, estimate)
    return float(10 * torch.log10((signal + _EPSILON) / (difference + _EPSILON)))


def si_sdr(reference: Tensor, estimate: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of an estimate, higher is better.

    10 log10 of the energy of the target, which is the reference times the gain that brings it
    nearest to the estimate, over the energy of what the estimate is beside it (Le Roux, Wisdom,
    Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019). Whole track, all channels
    together with one gain, means left in. Infinite for a perfect estimate, minus infinite for one
    that has nothing of the reference in it.

    Shapes are equal, usually [C, T]; sums are in float64.

    Raises:
        ValueError: the shapes differ, or the reference is silent.
    """
    check_shapes(reference, estimate)
    truth, heard = reference.double().flatten(), estimate.double().flatten()
    energy = truth.dot(truth)
    if energy == 0:
        raise ValueError("SI-SDR is not defined for a silent reference")
    target = heard.dot(truth) / energy * truth
    noise = heard - target
    if not target.any():
        return -math.inf
    return float(10 * torch.log10(target.dot(target) / noise.dot(noise)))


def si_sdr_improvement(reference: Tensor, estimate: Tensor, mixture: Tensor) -> float:
    """By how many dB the SI-SDR of an estimate is above that of the mixture that it was made from.

    Infinite where the mixture is the reference: there is nothing to improve.

    Raises:
        ValueError: as for `si_sdr`.
    """
    before = si_sdr(reference, mixture)
    return math.inf if before == math.inf else si_sdr(reference, estimate) - before
