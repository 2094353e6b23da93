"""How natural and how intelligible speech is, after the reference implementations of the extra."""

from __future__ import annotations

import importlib
import math
import statistics
import warnings
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.resample import resample_blocks
from stemsplit.errors import UsageError

_PESQ_SECONDS = 19
"""PESQ is for sentences of about ten seconds. The reference code has room for 50 utterances and
does not look whether there are more; none is shorter than 0.39 s with its pause."""

_STOI_SECONDS = 0.5  # 30 frames of 12.8 ms, and half a frame


_LINES = {
    "pesq": '`pip install "stemsplit[speech]"`, which needs a C compiler',
    "pystoi": '`pip install "stemsplit[speech]"`; only to have this one, `pip install pystoi`',
    "onnxruntime": '`pip install "stemsplit[dnsmos]"`',
}


def check_package(name: str) -> ModuleType:
    """The package of that name.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"The measure needs the package {name}, which is not installed ({error}).",
            hint=f"It comes with {_LINES[name]}.",
        ) from error


def pesq(reference: Tensor, estimate: Tensor, *, sample_rate: int) -> float:
    """Perceived quality of speech as a mean opinion score from 1 to 4.6; NaN where none is heard.

    ITU-T P.862.2 wide band at 16 kHz, or P.862.1 narrow band for audio at 8 kHz (Rix, Beerends,
    Hollier, Hekstra, "Perceptual evaluation of speech quality (PESQ)", ICASSP 2001). Signals
    [C, T] are mixed to mono and resampled. Longer ones are scored in equal parts of at most 19
    seconds, and the result is the mean over those parts in which there is speech.

    Raises:
        ValueError: the shapes differ.
        UsageError: the package `pesq` is not installed.
    """
    package = check_package("pesq")
    rate = 8000 if sample_rate == 8000 else 16000
    truth, heard = (_mono(signal, sample_rate, rate) for signal in _pair(reference, estimate))
    num_parts = max(1, -(-len(truth) // (_PESQ_SECONDS * rate)))
    scores = []
    for part in zip(
        np.array_split(truth, num_parts), np.array_split(heard, num_parts), strict=True
    ):
        if not all(signal.any() for signal in part):
            continue  # the package would divide by zero
        try:
            scores.append(package.pesq(rate, *part, mode="nb" if rate == 8000 else "wb"))
        except (package.NoUtterancesError, package.BufferTooShortError):
            continue  # no speech, or less than a quarter of a second
    return statistics.fmean(scores) if scores else math.nan


def stoi(reference: Tensor, estimate: Tensor, *, sample_rate: int, extended: bool = False) -> float:
    """Intelligibility of speech from 0 to 1; NaN for less than half a second of it.

    The short-time objective intelligibility measure of Taal, Hendriks, Heusdens, Jensen, "An
    algorithm for intelligibility prediction of time-frequency weighted noisy speech", IEEE TASLP
    19(7), 2011; `extended`: ESTOI of Jensen, Taal, "An algorithm for predicting the intelligibility
    of speech masked by modulated noise maskers", IEEE TASLP 24(11), 2016. Signals [C, T] are mixed
    to mono; the package resamples them to 10 kHz.

    Raises:
        ValueError: the shapes differ.
        UsageError: the package `pystoi` is not installed.
    """
    package = check_package("pystoi")
    truth, heard = (
        _mono(signal, sample_rate, sample_rate) for signal in _pair(reference, estimate)
    )
    if len(truth) < _STOI_SECONDS * sample_rate or not truth.any():
        return math.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Not enough STFT frames", category=RuntimeWarning)
        try:
            return float(package.stoi(truth, heard, sample_rate, extended=extended))
        except RuntimeWarning:
            return math.nan  # so much of it is silent that half a second is not left


def _pair(reference: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
    if reference.shape != estimate.shape:
        raise ValueError(
            f"cannot compare a signal of shape {tuple(reference.shape)} "
            f"with one of shape {tuple(estimate.shape)}"
        )
    return reference, estimate


def _mono(signal: Tensor, from_rate: int, to_rate: int) -> np.ndarray:
    """The mean of the channels [T], at another rate."""
    mono = signal.float().mean(dim=0, keepdim=True)  # [1, T]
    blocks = list(resample_blocks([mono], from_rate=from_rate, to_rate=to_rate))
    samples: np.ndarray = torch.cat(blocks, dim=-1)[0].double().numpy()
    return samples
